import TelpherText
import Testing

@testable import TelpherHosts

@Suite struct HostGroupsTests {
  private func groups(_ text: String, _ others: [HostGroups.Source] = []) throws -> HostGroups {
    let file = try GroupsFile(parsing: text)
    return HostGroups(
      [HostGroups.Source(name: GroupsFile.sourceName, groups: file.groups)] + others)
  }

  private static let text = """
    # all of them
    group web   web[1-4]
    group db    db1   db2

    group prod  @web,@db,!web2
    group rack1 r1n[1-2]
    group rack2 r2n[1-2]
    source site hosts.yml
    """

  @Test(arguments: [
    ("@web", "web[1-4]"), ("@prod", "db[1-2],web[1,3-4]"), ("@rack[1-2]", "r[1-2]n[1-2]"),
    ("@web&web[3-9]", "web[3-4]"), ("@*", "db[1-2],r[1-2]n[1-2],web[1-4]"), ("x,!@web", "x"),
    ("@groups:web", "web[1-4]"), ("@site:web", "s1"), ("@site:*", "s[1-2]"), ("@only", "s2"),
  ])
  func `Groups are sets`(_ text: String, _ folded: String) throws {
    let site = HostGroups.Source(
      name: "site",
      groups: [
        "web": .hosts(try HostSet(parsing: "s1")), "only": .expression("s2"),
      ])
    #expect(try groups(Self.text, [site]).hosts(text).folded == folded)
  }

  @Test(arguments: [
    ("@none", "there is no group 'none'"), ("@no:web", "there is no source of groups named 'no'"),
    ("@groups:none", "there is no group 'groups:none'"),
  ])
  func `An unknown group is an error`(_ text: String, _ message: String) throws {
    let groups = try groups(Self.text)
    let error = #expect(throws: HostsError.self) { try groups.hosts(text) }
    #expect(error?.description.contains(message) == true)
  }

  @Test func `A group that contains itself is an error`() throws {
    let groups = try groups("group a @b\ngroup b c,@a\ngroup c x")
    let error = #expect(throws: HostsError.self) { try groups.hosts("@a") }
    #expect(error?.description == "the group 'a' contains itself, by way of @a @b @a")
    #expect(try groups.hosts("@c").folded == "x")
  }

  /// Each group names the one before it twice: without a memory this takes 2 to the power of 60 steps.
  @Test func `Groups of groups are looked up once`() throws {
    let lines = (1...60).map { "group g\($0) @g\($0 - 1),@g\($0 - 1)" }
    let groups = try groups((["group g0 x"] + lines).joined(separator: "\n"))
    #expect(try groups.hosts("@g60").folded == "x")
  }

  @Test(arguments: [
    ("grp a b", "line 1: there is no key 'grp'"), ("\ngroup", "line 2: there is no name"),
    ("group a", "line 1: the group 'a' has no hosts"), ("group a b[", "line 1: 'b['"),
    ("group a b\ngroup a c", "line 2: the group 'a' was already described"),
    ("group a:b c", "line 1: 'a:b' can't be a name"), ("source s", "line 1: the source 's' has no"),
    ("source groups f", "line 1: there is already a source 'groups'"),
    ("group a b[1-999999999]", "line 1: a set may have at most 100000 hosts"),
  ])
  func `A wrong line is reported with its number`(_ text: String, _ message: String) {
    let error = #expect(throws: HostsError.self) { try GroupsFile(parsing: text) }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }
}
