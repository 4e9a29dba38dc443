import Testing

@testable import TelpherHosts

@Suite struct AnsibleInventoryTests {
  private static let ini = """
    # a comment
    lone ansible_host=10.9.9.9   ; not a comment here: a word
    [web]
    www[01:03].example.com:2222 ansible_user=deploy note="two words"
    [db]
    db-[a:c] ansible_host="10.0.0.1" # a comment
    db-b ansible_port=33
    [prod:children]
    web
    db
    [web:vars]
    ansible_port = 22
    ansible_user = nobody
    [all:vars]
    ansible_user=everyone
    other={{ template }}
    """

  private static let yaml = """
    ---
    all:
      vars: {ansible_user: everyone, other: "{{ template }}"}
      hosts:
        lone:
          ansible_host: 10.9.9.9
      children:
        prod:
          children:
            web:
              hosts:
                www[01:03].example.com:
                  ansible_port: 2222   # the port
                  ansible_user: 'deploy'
                  note: |
                    two
                      words
                  list:
                  - one
                  - two: 2
                    three: 3
              vars:
                ansible_port: 22
            db:
              hosts:
                db-[a:c]: {ansible_host: "10.0.0.1"}
                db-b: !unsafe {ansible_port: 33, deep: [1, {a: b}]}
    """

  @Test(arguments: [AnsibleInventory.Format.ini, .yaml])
  func `Both forms of an inventory mean the same`(_ format: AnsibleInventory.Format) throws {
    var text = Self.yaml
    if case .ini = format {
      text = Self.ini.replacing("   ; not a comment here: a word", with: "")
    }
    let source = try AnsibleInventory(parsing: text, format).source(named: "site")
    let groups = HostGroups([source])
    #expect(
      try groups.hosts("@web").names.map(\.text)
        == (1...3).map { "www0\($0).example.com" })
    #expect(try groups.hosts("@db").names.map(\.text) == ["db-a", "db-b", "db-c"])
    #expect(try groups.hosts("@prod") == groups.hosts("@web,@db"))
    #expect(try groups.hosts("@all") == groups.hosts("@prod,lone"))
    #expect(try groups.hosts("@*") == groups.hosts("@site:all"))
    #expect(try groups.hosts("@ungrouped").folded == "lone")
    let url = { (name: String) in groups.address(of: NodeName(name))?.url(for: NodeName(name)) }
    #expect(url("www02.example.com") == "ssh://deploy@www02.example.com:2222")
    #expect(url("db-a") == "ssh://everyone@10.0.0.1")
    #expect(url("db-b") == "ssh://everyone@10.0.0.1:33")
    #expect(url("lone") == "ssh://everyone@10.9.9.9")
    #expect(url("other") == nil)
  }

  @Test(arguments: [
    ("h[", "line 1: 'h[': a ']' is missing"), ("[a:b]", "is not [GROUP]"),
    ("h ansible_port=x", "a port is a number"), ("h ansible_host={{x}}", "no templates"),
    ("h word", "'word' is not of the form NAME=VALUE"), ("h a='b", "a quote is not closed"),
    ("[a:children]\nb\n[b:children]\na", "contain each other: a, b"),
    ("h[1:999999999]", "at most 100000 hosts"), ("h[3:1]", "is not a range"),
    ("h[a:c:0]", "is not a range"), ("[g:vars]\nx", "'x' is not of the form NAME=VALUE"),
    ("a,b", "can't be a host"),
  ])
  func `A wrong INI inventory is an error`(_ text: String, _ message: String) {
    expectError(message) {
      try AnsibleInventory(parsing: text, .ini).source(named: "x")
    }
  }

  @Test(arguments: [
    ("all:\n  hosts: [a]", "is not a mapping"), ("all:\n  hostz:", "has the key 'hostz'"),
    ("a: &x 1", "line 1: anchors"), ("a:\n  <<: *x", "merge keys"), ("\ta: b", "a tab"),
    ("a: b\n   c: d", "several lines is not supported"), ("a:\n  b:\n c:", "indented too far"),
    ("---\na:\n---\nb:", "second document"), ("%YAML 1.2", "directives"),
    ("a: {b: c", "not closed"),
    ("a: \"b", "a quote is not closed"), ("a\nb", "several lines"),
    ("a: 1\n- b", "not of the form"),
    (String(repeating: "- ", count: 1_000), "within each other"),
    ("a: " + String(repeating: "[", count: 200) + String(repeating: "]", count: 200), "brackets"),
  ])
  func `A wrong YAML inventory is an error`(_ text: String, _ message: String) {
    expectError(message) {
      try AnsibleInventory(parsing: text, .yaml).source(named: "x")
    }
  }

  @Test func `A port may follow the name of a host in either form`() throws {
    for (text, format) in [
      ("a:22\n[2001:db8::1]:77\n2001:db8::2", AnsibleInventory.Format.ini),
      ("all:\n  hosts:\n    a:22:\n", .yaml),
    ] {
      // Ansible's own parser takes an address in brackets for a range as well.
      let inventory = try? AnsibleInventory(parsing: text, format)
      if case .yaml = format {
        #expect(inventory?.hosts[NodeName("a")]?.port == "22")
      } else {
        #expect(inventory == nil)
      }
    }
    let plain = try AnsibleInventory(parsing: "a:22\n2001:db8::2", .ini)
    #expect(plain.hosts[NodeName("a")]?.port == "22")
    #expect(plain.hosts[NodeName("2001:db8::2")]?.port == nil)
  }

  @Test(arguments: [
    ("x.yml", "", true), ("x.yaml", "", true), ("x", "all:\n", true), ("x", "# c\n---\n", true),
    ("x.ini", "[web]\n", false), ("x", "host\n", false),
  ])
  func `The form is found by the name or the first line`(
    _ path: String, _ text: String, _ isYAML: Bool
  ) {
    #expect((AnsibleInventory.Format(path: path, text: text) == .yaml) == isYAML)
  }

  private func expectError(_ message: String, _ body: () throws -> HostGroups.Source) {
    let error = #expect(throws: HostsError.self) { _ = try body() }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }
}
