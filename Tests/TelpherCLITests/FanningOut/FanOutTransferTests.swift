import Glibc
import Testing

@testable import TelpherCLI

/// `telpher on HOSTS --put` and `--get`.
struct FanOutTransferTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func `Files go to every host, and come from every host into a folder of its own`()
    async throws
  {
    // Each host has its own root.
    var servers: [Child] = []
    for name in ["h1", "h2"] {
      let root = "\(sandbox.folder)/\(name)"
      mkdir(root, 0o700)
      servers.append(
        try await sandbox.serve(
          "--root", root, "--no-commands", "--listen", "unix:\(sandbox.folder)/run/\(name).sock"
        ).server)
    }
    let address = "unix:\(sandbox.folder)/run/%h.sock"
    _ = try await sandbox.shell(
      "cd && mkdir -p src/deep back && echo one >src/deep/a && echo two >src/b")
    let source = sandbox.folder + "/src"
    let put = try await sandbox.telpher(
      "on", "h[1-3]", "--address", address, "--put", "-r", source, "copy")
    #expect(put.status == 125)
    #expect(put.errorText.contains("4 files, 16 B; complete: h[1-2]\n"))
    #expect(put.errorText.contains("telpher: h3: unreachable: "))
    for name in ["h1", "h2"] {
      #expect(try await sandbox.areAlike(source, "\(sandbox.folder)/\(name)/copy"))
    }
    let back = sandbox.folder + "/back"
    let get = try await sandbox.telpher(
      "on", "h[1-2]", "--address", address, "--get", "-r", "copy", back)
    #expect(get.status == 0)
    #expect(get.errorText == "4 files, 16 B; complete: h[1-2]\n")
    for name in ["h1", "h2"] {
      #expect(try await sandbox.areAlike(source, "\(back)/\(name)/copy"))
    }
    withExtendedLifetime(servers) {}
  }

  @Test func `A failure on one host is reported with the host`() async throws {
    let server = try await sandbox.serve(
      "--listen", "unix:\(sandbox.folder)/run/h1.sock"
    ).server
    symlink("h1.sock", sandbox.folder + "/run/h2.sock")
    let address = "unix:\(sandbox.folder)/run/%h.sock"
    let missing = try await sandbox.telpher(
      "on", "h[1-2]", "--address", address, "--get", "/none", sandbox.folder)
    #expect(missing.status == 1)
    #expect(missing.errorText.contains("0 files, 0 B; complete: no host\n"))
    #expect(missing.errorText.contains("telpher: h[1-2]: "))
    let json = try await sandbox.telpher(
      "on", "h[1-2]", "--address", address, "--json", "--put", "/none", "/etc/hostname", "there")
    #expect(json.status == 1)
    #expect(json.text.split(separator: "\n").count == 2)
    #expect(json.text.contains(#""host":"h1""#) && json.text.contains(#""status":1"#))
    withExtendedLifetime(server) {}
  }

  @Test(arguments: [
    ("web1", "web1"), ("ssh://me@h:2", "ssh:%2F%2Fme@h:2"), ("..", "%2E."), ("a%2Fb", "a%252Fb"),
  ])
  func `The name of a host is the name of its folder`(_ host: String, _ folder: String) {
    #expect(TransferWork.fileName(host) == folder)
  }
}
