import Glibc
import Testing

/// Servers with --no-commands or --read-only.
struct ConfinedServerTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  private func run(_ arguments: String...) async throws -> Finished {
    await (try sandbox.start(arguments)).finish()
  }

  @Test func aServerWithNoCommandsServesOnlyFiles() async throws {
    mkdir(sandbox.folder + "/root", 0o700)
    let (server, addresses) = try await sandbox.serve(
      "--no-commands", "--root", sandbox.folder + "/root")
    #expect(addresses.count == 1)
    sandbox.write("x", to: sandbox.folder + "/f")
    let ran = try await run("run", "--", "touch", sandbox.folder + "/ran")
    #expect(ran.status == 125)
    #expect(ran.errorText.contains("--no-commands"))
    #expect(mode(of: sandbox.folder + "/ran") == nil)
    #expect(try await run("put", sandbox.folder + "/f", "f").status == 0)
    #expect(mode(of: sandbox.folder + "/root/f") != nil)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func aReadOnlyServerRefusesChanges() async throws {
    let root = sandbox.folder + "/root"
    mkdir(root, 0o700)
    sandbox.write("kept", to: root + "/f")
    sandbox.write("x", to: sandbox.folder + "/new")
    let (server, _) = try await sandbox.serve("--read-only", "--root", root)
    for arguments in [
      ["put", sandbox.folder + "/new", "new"], ["put", sandbox.folder + "/new", "f"],
      ["put", "-r", sandbox.folder + "/run", "run"], ["mkdir", "d"], ["rm", "f"],
      ["mv", "f", "g"], ["run", "--", "touch", root + "/g"],
    ] {
      let result = await (try sandbox.start(arguments)).finish()
      #expect(result.status != 0)
      #expect(result.errorText.contains(arguments[0] == "run" ? "--no-commands" : "--read-only"))
    }
    let listing = try await sandbox.shell("ls -A '\(root)'; cat '\(root)/f'")
    #expect(listing.text == "f\nkept")
    #expect(try await run("get", "f", sandbox.folder + "/fetched").status == 0)
    #expect(try await run("ls").text == "f\n")
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }
}
