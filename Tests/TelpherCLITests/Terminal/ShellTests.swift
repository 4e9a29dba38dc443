import Glibc
import Testing

@Suite(.timeLimit(.minutes(10))) struct ShellTests {
  private func start(_ arguments: String..., sandbox: Sandbox) throws -> TerminalChild {
    try TerminalChild(
      [Sandbox.program] + arguments,
      environment: sandbox.environment.merging(["PS1": "> ", "TERM": "dumb"]) { $1 },
      directory: sandbox.folder)
  }

  @Test func aShellRunsOnATerminal() async throws {
    let sandbox = try Sandbox()
    let child = try start("shell", sandbox: sandbox)
    child.type("tty; echo $0 $((40 + 2)); exit 4\r")
    #expect(await child.find("/dev/pts/"))
    #expect(await child.find("sh 42\r\n"))
    #expect(await child.finish().status == 4)
  }

  @Test func aShellRunsALine() async throws {
    let sandbox = try Sandbox()
    let child = try start(
      "shell", "--cwd", "/", "test", "-t", "0", "&&", "pwd;", "exit 6", sandbox: sandbox)
    let (text, status) = await child.finish()
    #expect(text == "/\r\n" && status == 6)
  }

  @Test func aHostWithoutACommandIsAShell() async throws {
    let sandbox = try Sandbox()
    sandbox.addSSH()
    let child = try start("on", "build", sandbox: sandbox)
    child.type("tty; exit 5\r")
    #expect(await child.find("\n/dev/pts/"))
    #expect(await child.finish().status == 5)
    // Without a terminal the command is missing.
    let result = try await sandbox.telpher("on", "build")
    #expect(result.status == 125 && result.errorText.contains("Missing the command"))
  }

  @Test func withoutATerminalAShellReadsAPipe() async throws {
    let sandbox = try Sandbox()
    let result = try await sandbox.telpher("shell", input: "test -t 0 || echo pipe; exit 9\n")
    #expect(result.status == 9)
    #expect(result.text.hasSuffix("pipe\n"))
  }

  @Test func anUnknownOptionIsNoCommand() async throws {
    let sandbox = try Sandbox()
    let result = try await sandbox.telpher("shell", "--color")
    #expect(result.status == 125 && result.errorText.contains("Unknown option '--color'"))
    #expect(try await sandbox.telpher("shell", "--help").text.contains("login shell"))
  }
}
