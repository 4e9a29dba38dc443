import Glibc
import Testing

struct PickTests {
  let sandbox: Sandbox
  private let root: String
  private let here: String

  init() throws {
    sandbox = try Sandbox()
    (root, here) = (sandbox.folder + "/root", sandbox.folder + "/here")
    for folder in [root, root + "/d", here] { mkdir(folder, 0o755) }
    for name in ["alpha", "beta", ".hidden"] { sandbox.write(name, to: "\(root)/d/\(name)") }
    mkdir(root + "/d/folder", 0o755)
    for name in ["one", "two"] { sandbox.write(name, to: "\(here)/\(name)") }
  }

  @Test func pickGetReadsNumbersFromAPipe() async throws {
    let (server, _) = try await sandbox.serve("--root", root)
    let line = "cd here && printf '3\\nx\\n2\\n\\n1\\n' | telpher pick get d"
    let result = try await sandbox.shell("cd && \(line)")
    #expect(result.status == 0)
    let list = "files in d:\n  1  alpha  5 B\n  2  beta  4 B\n"
    let prompt = "number (q to end): "
    #expect(
      result.text == list + prompt + "'3' is not a number from 1 to 2\n" + prompt
        + "'x' is not a number from 1 to 2\n" + prompt + "beta fetched\n" + prompt + list + prompt
        + "alpha fetched\n" + prompt + "\n")
    #expect(try await sandbox.text(of: here + "/beta") == "beta")
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func pickPutReadsNumbersFromATerminal() async throws {
    let (server, _) = try await sandbox.serve("--root", root)
    let child = try TerminalChild(
      [Sandbox.program, "pick", "put", "."], environment: sandbox.environment, directory: here)
    #expect(await child.find("  2  two  3 B"))
    #expect(await child.find("number (q to end): "))
    child.type("2\n")
    #expect(await child.find("two stored"))
    #expect(await child.find("number (q to end): "))
    child.type("q\n")
    #expect(await child.finish().status == 0)
    #expect(try await sandbox.text(of: root + "/two") == "two")
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  /// After a transfer too: while it runs, it handles the signal itself.
  @Test func anInterruptAtThePromptEndsPick() async throws {
    let (server, _) = try await sandbox.serve("--root", root)
    let child = try TerminalChild(
      [Sandbox.program, "pick", "get", "d"], environment: sandbox.environment, directory: here)
    #expect(await child.find("number (q to end): "))
    child.type("1\n")
    #expect(await child.find("alpha fetched"))
    #expect(await child.find("number (q to end): "))
    child.type("\u{3}")
    #expect(await child.finish().status == 130)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func aFileThatCanNotBeCopiedIs1() async throws {
    let (server, _) = try await sandbox.serve("--root", root)
    mkdir(here + "/alpha", 0o755)
    let result = try await sandbox.shell("cd && cd here && printf '1\\n2\\n' | telpher pick d")
    #expect(result.status == 1)
    #expect(result.errorText.contains("alpha"))
    #expect(result.text.contains("beta fetched"))
    let missing = try await sandbox.telpher("pick", "nowhere")
    #expect(missing.status == 1 && missing.errorText.contains("nowhere"))
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }
}

struct LiveLineTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func aTerminalGetsAFittingLiveLineAndASummary() async throws {
    let name = String(repeating: "long", count: 30)
    sandbox.writeNoise(3_000_000, to: "\(sandbox.folder)/\(name)")
    let arguments = [Sandbox.program, "put", name, "copy"]
    let child = try TerminalChild(
      arguments, environment: sandbox.environment, directory: sandbox.folder, columns: 60)
    let (text, status) = await child.finish()
    #expect(status == 0)
    #expect(text.contains("\u{1B}[K1 file, 3.0 MB in "))
    let lines = text.split(separator: "\r").filter { $0.contains("\u{1B}[K") }
    #expect(!lines.isEmpty)
    for line in lines where !line.contains(" in ") {
      #expect(line.replacing("\u{1B}[K", with: "").count < 60)
    }
    let quiet = try TerminalChild(
      arguments + ["--quiet"], environment: sandbox.environment, directory: sandbox.folder)
    #expect(await quiet.finish() == ("", 0))
  }
}
