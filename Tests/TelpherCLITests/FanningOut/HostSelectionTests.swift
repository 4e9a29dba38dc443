import ArgumentParser
import TelpherHosts
import Testing

@testable import TelpherCLI

/// Which hosts `telpher on HOSTS` means, and where they are.
struct HostSelectionTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  /// The names and addresses of the hosts.
  private func targets(_ settings: FanOutSettings) throws -> [String] {
    try HostSelection(settings: settings, environment: sandbox.environment).targets().map {
      "\($0.name) \($0.server.endpoint)"
    }
  }

  private func write(_ text: String, _ name: String) async throws -> String {
    _ = try await sandbox.shell("mkdir -p ~/.config/telpher")
    let path = "\(sandbox.folder)/\(name)"
    sandbox.write(text, to: path)
    return path
  }

  @Test func `A host is where the template, the configuration, an inventory or its name says`()
    async throws
  {
    _ = try await write("host web2\n  address docker://two\n", ".config/telpher/config")
    let inventory = try await write(
      "[web]\nweb[1:4]\n[web:vars]\nansible_user=me\n[db]\ndb ansible_host=10.0.0.9 ansible_port=77\n",
      "inventory")
    _ = try await write(
      "group all-web @web,x\nsource site ~/inventory\n", ".config/telpher/groups")
    #expect(
      try targets(FanOutSettings(hosts: "@all-web,!web[3-4],@site:db"))
        == ["db ssh://10.0.0.9:77", "web1 ssh://me@web1", "web2 docker://two", "x ssh://x"])
    #expect(
      try targets(FanOutSettings(hosts: "@db,web2", inventory: inventory, template: "unix:/s/%h%%"))
        == ["db unix:/s/db%", "web2 unix:/s/web2%"])
    #expect(
      try targets(FanOutSettings(hosts: "me@y[1-2],ssh://z:2")) == [
        "me@y1 ssh://me@y1", "me@y2 ssh://me@y2", "ssh://z:2 ssh://z:2",
      ])
  }

  @Test func `Hosts come from files too, and are left out`() async throws {
    let file = try await write("# all\nweb[1-3]  db1 # two kinds\n\nweb9\n", "hosts")
    #expect(
      try targets(
        FanOutSettings(
          hosts: "a", excluded: ["web[2-3]", "db1"], files: [file], template: "unix:/%h"))
        == ["a unix:/a", "web1 unix:/web1", "web9 unix:/web9"])
    let result = try await sandbox.telpher(
      "on", "--hostfile", "-", "--address", "exec:telpher-none %h", "--", "true", input: "x[1-2]\n")
    #expect(result.status == 125)
    #expect(result.errorText.hasPrefix("telpher: x[1-2]: unreachable: "))
  }

  @Test func `A mistake is reported before anything runs`() async throws {
    let file = try await write("a\nb[\n", "hosts")
    for (settings, message) in [
      (FanOutSettings(hosts: "a[1-999999999]"), "at most 100000 hosts"),
      (FanOutSettings(hosts: "@none"), "there are no groups"),
      (FanOutSettings(files: [file]), "hosts:2: 'b[': a ']' is missing"),
      (FanOutSettings(files: ["/none"]), "cannot open /none"),
      (FanOutSettings(hosts: "a", excluded: ["a"]), "the set of hosts is empty"),
      (FanOutSettings(hosts: "a,-b"), "-b"),
      (FanOutSettings(hosts: "a", inventory: "/none"), "/none"),
      (FanOutSettings(hosts: "a", template: "nothing:%h"), "a: "),
    ] {
      let error = #expect(throws: Failure.self) { try targets(settings) }
      #expect(error?.message.contains(message) == true, "\(String(describing: error))")
    }
    _ = try await write("group a @b\ngroup b @a\n", ".config/telpher/groups")
    let error = #expect(throws: Failure.self) { try targets(FanOutSettings(hosts: "@a")) }
    #expect(error?.message == "the group 'a' contains itself, by way of @a @b @a")
    _ = try await write("grp a b\n", ".config/telpher/groups")
    #expect(throws: Failure.self) { try targets(FanOutSettings(hosts: "x")) }
  }

  @Test(arguments: ["unix:/s", "%", "ssh://%u@%h", "%h%"])
  func `A template without a host, or with another letter, is an error`(_ template: String) {
    #expect(throws: ValidationError.self) { try AddressTemplate(template) }
  }

  @Test(arguments: [
    ["on", "a,b", "-t", "--", "top"], ["on", "a,b", "--detach", "--", "x"],
    ["on", "a,b", "--status-fd", "3", "--", "x"], ["on", "a,b", "--reconnect", "--", "x"],
    ["on", "a,b"], ["on", "a,b", "-b", "-L", "--", "x"], ["on", "a,b", "--json", "-b", "--", "x"],
    ["on", "a,b", "--put", "x"], ["on", "a,b", "--put", "--get", "x", "y"], ["on", "a", "-r", "x"],
    ["on", "a,b", "-f", "0", "--", "x"], ["on", "a,b", "-f", "9999", "--", "x"],
    ["on", "a,b", "--canary", "-1", "--", "x"], ["on", "a,b", "--address", "unix:/x", "--", "x"],
    ["on", "--hostfile", "-", "-i", "--", "x"], ["on", "a,b", "--put", "-i", "x", "y"],
  ])
  func `Options that make no sense together are refused`(_ arguments: [String]) {
    #expect(throws: (any Error).self) { try Program.parse(arguments) }
  }
}
