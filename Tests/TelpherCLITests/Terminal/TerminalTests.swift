import Glibc
import Testing

@Suite(.timeLimit(.minutes(10))) struct TerminalTests {
  /// Starts `telpher` on a terminal of its own, for a server that it starts itself.
  private func start(
    _ arguments: String..., sandbox: Sandbox, environment: [String: String] = [:]
  ) throws -> TerminalChild {
    try TerminalChild(
      [Sandbox.program] + arguments,
      environment: sandbox.environment.merging(["TERM": "vt220"]) { $1 }
        .merging(environment) { $1 },
      directory: sandbox.folder, columns: 101)
  }

  @Test(arguments: ["-t", "-it", "--tty"])
  func theCommandHasATerminalOfItsOwn(_ option: String) async throws {
    let sandbox = try Sandbox()
    let child = try start(
      "run", option, "--", "sh", "-c",
      "tty; stty size; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo three; tty </dev/tty",
      sandbox: sandbox)
    let (text, status) = await child.finish()
    let lines = text.split(separator: "\r\n").map(String.init)
    #expect(lines.count == 5 && lines[0].hasPrefix("/dev/pts/"))
    #expect(Array(lines.dropFirst()) == ["24 101", "vt220", "three", "/dev/tty"])
    #expect(status == 0)
  }

  @Test func theExitStatusIsThatOfTheCommand() async throws {
    let sandbox = try Sandbox()
    #expect(
      await (try start("run", "-t", "--", "sh", "-c", "exit 7", sandbox: sandbox)).finish().status
        == 7)
    #expect(
      await (try start("run", "-t", "--", "sh", "-c", "kill -9 $$", sandbox: sandbox)).finish()
        .status == 137)
  }

  @Test func withoutTheOptionPipesStayPipes() async throws {
    let sandbox = try Sandbox()
    let child = try start(
      "run", "--", "sh", "-c", "test -t 0 || test -t 1 || test -t 2 || echo pipes",
      sandbox: sandbox)
    #expect(await child.finish().text == "pipes\r\n")
  }

  @Test func withoutATerminalNothingRuns() async throws {
    let sandbox = try Sandbox()
    for option in ["-t", "-it"] {
      let result = try await sandbox.telpher(
        "run", option, "--", "touch", sandbox.folder + "/made", input: "")
      #expect(result.status == 125)
      #expect(result.errorText.contains("-t needs a terminal as standard input"))
    }
    #expect(mode(of: sandbox.folder + "/made") == nil)
  }

  @Test func jsonAndATerminalExcludeEachOther() async throws {
    let sandbox = try Sandbox()
    let (text, status) = await (try start("run", "-t", "--json", "--", "true", sandbox: sandbox))
      .finish()
    #expect(status == 125 && text.contains("use only one of them"))
  }

  @Test func theCommandLearnsANewSize() async throws {
    let sandbox = try Sandbox()
    let child = try start(
      "run", "-t", "--", "sh", "-c",
      "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.02; done", sandbox: sandbox)
    #expect(await child.find("ready"))
    child.resize(rows: 50, columns: 132)
    #expect(await child.find("50 132"))
    #expect(await child.finish().status == 0)
  }

  @Test func controlKeysReachTheCommand() async throws {
    let sandbox = try Sandbox()
    let child = try start(
      "run", "-t", "--", "sh", "-c",
      """
      trap 'echo int' INT; trap 'echo quit' QUIT; sh -c 'echo first; exec cat'; echo $?
      sh -c 'echo second; exec cat'; echo over; sh -c 'echo third; exec cat'; exit 3
      """,
      sandbox: sandbox)
    // Each process says that it is there: an earlier key would end only the outer shell's wait.
    #expect(await child.find("first"))
    child.type("\u{3}")
    #expect(await child.find("int"))
    #expect(await child.find("130"))
    #expect(await child.find("second"))
    child.type("\u{1C}")
    #expect(await child.find("over"))
    #expect(await child.find("third"))
    child.type("\u{4}")
    #expect(await child.finish().status == 3)
  }

  @Test func aPasswordIsNotEchoed() async throws {
    let sandbox = try Sandbox()
    let child = try start(
      "run", "-t", "--", "sh", "-c",
      "stty -echo; printf 'password: '; read p; stty echo; echo; echo length ${#p}",
      sandbox: sandbox)
    #expect(await child.find("password: "))
    child.type("secret\r")
    #expect(await child.find("length 6"))
    let (text, status) = await child.finish()
    #expect(status == 0 && !text.contains("secret"))
  }

  @Test func allOutputBeforeTheEndArrives() async throws {
    let sandbox = try Sandbox()
    let child = try start("run", "-t", "--", "seq", "10000", sandbox: sandbox)
    let (text, status) = await child.finish()
    #expect(status == 0)
    #expect(text == (1...10_000).map { "\($0)\r\n" }.joined())
  }

  @Test func aMissingProgramIsReportedOnTheRestoredTerminal() async throws {
    let sandbox = try Sandbox()
    let child = try start("run", "-t", "--", "/no/such/program", sandbox: sandbox)
    let (text, status) = await child.finish()
    #expect(status == 127)
    #expect(text.hasPrefix("telpher: ") && text.hasSuffix("\r\n"))
  }
}
