import Glibc
import Testing

struct TokenTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  private var file: String { sandbox.folder + "/.config/telpher/token" }

  private func text(_ path: String) async throws -> String {
    try await sandbox.shell("cat '\(path)'").text
  }

  @Test func aRunningServerRequiresARotatedTokenOnlyFromNewConnections() async throws {
    let (server, addresses) = try await sandbox.serve("--listen", "tcp:127.0.0.1:0")
    let address = try #require(addresses.first)
    let old = try await text(file)
    let copy = sandbox.folder + "/old"
    sandbox.write(old, to: copy)
    let open = try sandbox.start(["run", "--on", address, "-i", "--", "cat"], input: .pipe)
    await open.write("x\n")
    #expect(await open.line() == "x")

    let rotated = try await sandbox.telpher("token", "rotate")
    #expect(rotated.status == 0)
    #expect(rotated.output.isEmpty && rotated.error.isEmpty)
    let new = try await text(file)
    #expect(new != old && new.utf8.count == 65)
    #expect(mode(of: file) == 0o600)
    #expect(try await sandbox.telpher("ping", "--on", address).status == 0)
    let refused = try await sandbox.telpher("ping", "--on", address, "--token-file", copy)
    #expect(refused.status == 125)
    #expect(refused.errorText.contains("the token is not this server's"))

    await open.write("y\n")
    #expect(await open.line() == "y")
    open.closeInput()
    #expect(await open.finish().status == 0)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func tokenPathPrintsThePath() async throws {
    #expect(try await sandbox.telpher("token", "path").text == file + "\n")
    let other = try await sandbox.telpher(
      "token", "path", environment: ["TELPHER_TOKEN_FILE": "/a/b"])
    #expect(other.text == "/a/b\n")
    #expect(try await sandbox.telpher("token", "path", "--token-file", "c").text == "c\n")
  }

  @Test func bothSidesRefuseATokenFileThatIsNotSafe() async throws {
    let (server, addresses) = try await sandbox.serve("--listen", "tcp:127.0.0.1:0")
    let address = try #require(addresses.first)
    let fifo = sandbox.folder + "/fifo"
    mkfifo(fifo, 0o600)
    let link = sandbox.folder + "/link"
    symlink(file, link)
    let open = sandbox.folder + "/open"
    sandbox.write(try await text(file), to: open)
    chmod(open, 0o644)
    var faults = [(fifo, "not a regular file"), (link, "symbolic link"), (open, "chmod 600")]
    if geteuid() == 0 {
      let foreign = sandbox.folder + "/foreign"
      sandbox.write(try await text(file), to: foreign)
      chown(foreign, 12_345, 12_345)
      faults.append((foreign, "belongs to user 12345"))
    }
    for (path, fault) in faults {
      for arguments in [
        ["ping", "--on", address, "--token-file", path],
        ["serve", "--listen", "tcp:127.0.0.1:0", "--token-file", path],
      ] {
        let result = await (try sandbox.start(arguments)).finish()
        #expect(result.status == 125)
        #expect(result.errorText.contains(fault), "\(arguments): \(result.errorText)")
      }
    }
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }
}
