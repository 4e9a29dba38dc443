import Glibc
import Testing

struct ServedFilesTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  private func stop(_ server: Child) async -> String {
    server.signal(SIGTERM)
    let finished = await server.finish()
    #expect(finished.status == 0)
    return finished.errorText
  }

  @Test func nothingOutsideTheRootIsServed() async throws {
    let root = sandbox.folder + "/root"
    mkdir(root, 0o755)
    sandbox.write("in", to: root + "/in")
    sandbox.write("secret", to: sandbox.folder + "/secret")
    symlink("../secret", root + "/out")
    let (server, _) = try await sandbox.serve("--root", root, "--log-level", "debug")
    #expect(try await sandbox.telpher("ls").text == "in\nout\n")
    for path in ["../secret", "out", sandbox.folder + "/secret", "/../secret", "~/../secret"] {
      let result = try await sandbox.telpher("get", path, sandbox.folder + "/stolen")
      #expect(result.status == 1)
    }
    #expect(mode(of: sandbox.folder + "/stolen") == nil)
    // With a root, absolute paths start in it too.
    for path in ["in", "/in", "~/in", "./in", "//in"] {
      #expect(try await sandbox.got(path) == "in", "\(path)")
    }
    #expect(try await sandbox.telpher("ls", "/").text == "in\nout\n")
    #expect(try await sandbox.telpher("ls", "~").text == "in\nout\n")
    #expect(await stop(server).contains(root))
  }

  @Test func aServerWithoutFilesReportsIt() async throws {
    let (server, _) = try await sandbox.serve("--root", "none")
    let result = try await sandbox.telpher("ls")
    #expect(result.status == 1)
    #expect(result.errorText == "telpher: this server serves no files (--root none)\n")
    #expect(try await sandbox.telpher("run", "--", "echo", "runs").text == "runs\n")
    _ = await stop(server)
  }

  @Test func aMissingRootFails() async throws {
    let result = try await sandbox.telpher("serve", "--root", sandbox.folder + "/no")
    #expect(result.status == 125)
    #expect(result.errorText.contains("cannot serve files: "))
    #expect(result.errorText.contains(sandbox.folder + "/no"))
    #expect(result.output.isEmpty)
  }

  @Test func aMissingHomeFolderAffectsOnlyRelativePaths() async throws {
    let file = sandbox.folder + "/x"
    let server = try sandbox.start(["serve"], environment: ["HOME": sandbox.folder + "/no"])
    #expect(await server.line()?.hasPrefix("listening on ") == true)
    let result = try await sandbox.telpher("put", "/etc/hostname", "x")
    #expect(result.status == 1)
    #expect(result.errorText.contains("relative paths start in the user's home: "))
    #expect(try await sandbox.telpher("put", "/etc/hostname", file).status == 0)
    #expect(mode(of: file) != nil)
    #expect(try await sandbox.telpher("run", "--", "echo", "runs").text == "runs\n")
    #expect(await stop(server).contains("the home folder is not served"))
  }
}
