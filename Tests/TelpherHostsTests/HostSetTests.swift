import Testing

@testable import TelpherHosts

@Suite struct HostSetTests {
  /// The names of a set, separated by spaces.
  private func names(_ text: String) throws -> String {
    try HostSet(parsing: text).names.map(\.text).joined(separator: " ")
  }

  @Test(arguments: [
    ("web1", "web1"), ("web[1-3]", "web1 web2 web3"), ("web[08-10]", "web08 web09 web10"),
    ("node[01-10/2]", "node01 node03 node05 node07 node09"), ("n[3,1,2]", "n1 n2 n3"),
    ("n[1-3,7,9-10]", "n1 n2 n3 n7 n9 n10"), ("r[1-2]n[1-3]", "r1n1 r1n2 r1n3 r2n1 r2n2 r2n3"),
    ("a[1-2]-x", "a1-x a2-x"), ("a,b", "a b"), ("a b\tc", "a b c"), ("b,a,b", "a b"),
    ("web[1-4]!web2", "web1 web3 web4"), ("web[1-4],!web2", "web1 web3 web4"),
    ("web[1-4]&web[3-9]", "web3 web4"), ("web[1-3]^web[3-4]", "web1 web2 web4"),
    ("a , b ! a", "b"), ("n[1-9]&n[2-3],n7", "n2 n3 n7"), ("n[1,01]", "n1 n01"),
    ("me@web[1-2]", "me@web1 me@web2"), ("ssh://h[1-2]:22", "ssh://h1:22 ssh://h2:22"),
    ("ssh://[fe80::1]:2[1-2]", "ssh://[fe80::1]:21 ssh://[fe80::1]:22"),
    ("10.0.[0-1].5", "10.0.0.5 10.0.1.5"), ("n[9-11]", "n9 n10 n11"), ("é[1-2]", "é1 é2"),
  ])
  func `A set has the hosts that its text writes`(_ text: String, _ expected: String) throws {
    #expect(try names(text) == expected)
  }

  @Test(arguments: [
    ("web1", "web1"), ("web3,web1,web2", "web[1-3]"), ("web[01-40],!web07", "web[01-06,08-40]"),
    ("web03,web09", "web[03,09]"), ("n[9-11]", "n[9-11]"), ("n[1,01,2,02]", "n[1-2,01-02]"),
    ("n[098-102]", "n[098-102]"), ("a,b,n1", "a,b,n1"), ("r[1-2]n[1-3]", "r[1-2]n[1-3]"),
    ("r1n[1-3],r2n[1-2]", "r1n[1-3],r2n[1-2]"), ("10.0.0.[1-3]", "10.0.0.[1-3]"),
    ("ssh://[::1]:1,ssh://[::1]:2", "ssh://[::1]:1,ssh://[::1]:2"),
    ("n999999999999999999,n1000000000000000000", "n[999999999999999999,1000000000000000000]"),
  ])
  func `A folded set means the same hosts`(_ text: String, _ folded: String) throws {
    #expect(try HostSet(parsing: text).folded == folded)
  }

  @Test(arguments: [
    "", " ", ",", "a,", "a,,b", ",a", "!a", "a!", "a!!b", "a!,b", "web[", "web]", "web[1",
    "web[1]]",
    "web[[1]]", "web[]", "web[a-b]", "web[3-1]", "web[1-2-3]", "web[1-3/0]", "web[1-3/]",
    "web[5/2]",
    "web[1,]", "web[01-100]", "web[1-010]", "web[-1]", "@", "@:", "@:a", "@a:",
    "n[1000000000000000000]",
  ])
  func `A text that means no set is an error`(_ text: String) {
    #expect(throws: HostsError.self) {
      try HostSet(parsing: text) { _, _ throws(HostsError) in HostSet() }
    }
  }

  /// They must fail before memory is taken for the names.
  @Test(arguments: [
    "node[1-999999999]", "node[1-999999999999999999]", "n[1-60000],m[1-60000]",
    "r[1-1000]n[1-1000]", "a[1-90000]b[1-90000]c[1-90000]d[1-90000]", "n[1-60000,1-60000]",
  ])
  func `Too many hosts are an error`(_ text: String) {
    #expect(throws: HostSet.tooMany) { try HostSet(parsing: text) }
  }

  @Test func `As many hosts as are allowed are a set`() throws {
    let set = try HostSet(parsing: "n[1-\(HostSet.maxCount)]")
    #expect(set.count == HostSet.maxCount)
    #expect(set.folded == "n[1-\(HostSet.maxCount)]")
    #expect(set.contains(NodeName("n77777")) && !set.contains(NodeName("n0")))
  }

  @Test func `A name that is too long is an error`() {
    let long = String(repeating: "a", count: HostSet.maxNameLength)
    #expect(throws: Never.self) { try HostSet(parsing: long) }
    #expect(throws: HostsError.self) { try HostSet(parsing: long + "[1-2]") }
  }

  @Test(arguments: [
    ("web", false), ("me@web", false), ("web[1-3]", true), ("a,b", true), ("a!b", true),
    ("@web", true), ("[::1]", false), ("me@[fe80::1]", false), ("ssh://[::1]:22", false),
    ("unix:/tmp/a,b[1]", false), ("exec:ssh a, b", false), ("tcp:[::1]:7", false),
    ("ssh://h?jump=a&identity=b", false), ("docker://web[1-2]", true), ("web[1", true),
    ("a^b", true), ("a&b", true),
  ])
  func `Names and addresses of one host are no sets`(_ text: String, _ isSet: Bool) {
    #expect(HostSet.isSet(text) == isSet)
  }
}
