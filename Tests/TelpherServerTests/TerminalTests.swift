import Glibc
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15))) struct TerminalTests {
  /// An OPEN of the puppet on a terminal.
  private static func puppet(_ more: String = "", noInput: Bool = false) -> [UInt8] {
    TelpherServerTests.puppet(
      1, noInput: noInput,
      #""terminal":{"type":"vt100","rows":24,"columns":80,"width":640,"height":480}\#(more)"#)
  }

  @Test func aTerminalHasOneChannelForEachDirection() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(Self.puppet())
      await puppet.started()
      try await client.until { peer in peer.frames.contains { $0.isFin && $0.channel == 2 } }
      #expect(
        await puppet.terminalSize
          == TerminalSize(rows: 24, columns: 80, pixelWidth: 640, pixelHeight: 480))
      #expect(await puppet.environment["TERM"] == "vt100")
      await puppet.readInput()
      await client.send(data(1, 0, Array("key".utf8)))
      await puppet.until { $0.input == Array("key".utf8) }
      await puppet.print("out")
      await puppet.printError("err")
      await puppet.exit(3)
      let result = try await client.result(1)
      #expect(result.contains(#""code":3"#) && result.contains(#""bytes":{"1":6,"2":0}"#))
      #expect(await client.output(1) == Array("outerr".utf8))
    }
  }

  @Test(arguments: [("", SpawnRequest.LoginShell.session), (#","shell":"ls""#, .line("ls"))])
  func theLoginShellGetsASessionOrALine(
    _ keys: String, _ expected: SpawnRequest.LoginShell
  ) async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet("login shell")
      let client = try await fixture.client()
      await client.send(open(1, #"{"op":"run","login":true,"must":["login"]\#(keys)}"#))
      await puppet.started()
      #expect(await puppet.request?.loginShell == expected)
      await puppet.exit()
      #expect(try await client.result(1).contains(#""code":0"#))
    }
  }

  @Test func theEnvironmentOfTheRequestOverridesTheType() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(Self.puppet(#","env":{"TERM":"dumb"}"#))
      await puppet.started()
      #expect(await puppet.environment["TERM"] == "dumb")
    }
  }

  @Test func theSizeCanChangeBeforeAndAfterTheStart() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      await puppet.ignoreSignals()
      let client = try await fixture.client()
      // Handled together, before the command is launched.
      await client.send(Self.puppet() + control(1, #"{"resize":{"rows":30,"columns":90}}"#))
      await puppet.until { $0.signals == [SIGWINCH] }
      #expect(await puppet.terminalSize == TerminalSize(rows: 30, columns: 90))
      await client.send(
        control(1, #"{"resize":{"rows":0,"columns":10000,"width":7,"height":8}}"#))
      await puppet.until { $0.signals == [SIGWINCH, SIGWINCH] }
      #expect(
        await puppet.terminalSize
          == TerminalSize(rows: 0, columns: 10_000, pixelWidth: 7, pixelHeight: 8))
    }
  }

  @Test func aSizeForACommandWithoutATerminalIsIgnored() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(
        TelpherServerTests.puppet(), control(1, #"{"resize":{"rows":30,"columns":90}}"#))
      await puppet.started()
      await client.send(control(1, #"{"resize":{"rows":31,"columns":90}}"#))
      try await client.sync()
      await puppet.exit(5)
      #expect(try await client.result(1).contains(#""code":5"#))
      #expect(await puppet.signals == [])
    }
  }

  @Test func aSizeThatIsTooLargeEndsTheCommand() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(Self.puppet())
      await puppet.started()
      await client.send(control(1, #"{"resize":{"rows":10001,"columns":1}}"#))
      #expect(try await client.frame(7, 1).text.contains("at most 10000 rows"))
      await puppet.until { !$0.isRunning }
    }
  }

  /// Interactive shells ignore SIGTERM.
  @Test func theProcessesOfACanceledTerminalGetAHangUp() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      await puppet.ignoreSignals()
      let client = try await fixture.client()
      await client.send(Self.puppet())
      await puppet.started()
      await client.send(control(1, #"{"cancel":true}"#))
      await puppet.until { $0.signals == [SIGHUP, SIGTERM, SIGCONT] }
      await puppet.print("last words")
      await puppet.exit()
      #expect(try await client.result(1).contains(#""result":"canceled""#))
      #expect(await client.output(1) == Array("last words".utf8))
    }
  }

  @Test(arguments: ["stop", "stop before the start", "reset", "lost"])
  func aTerminalThatIsNotWantedAnyMoreHangsUp(_ way: String) async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      await puppet.ignoreSignals()
      let client = try await fixture.client()
      let stop = control(1, #"{"stop_sending":1}"#)
      await client.send(Self.puppet() + (way == "stop before the start" ? stop : []))
      await puppet.started()
      await puppet.readInput()
      switch way {
      case "stop": await client.send(stop)
      case "reset": await client.send(reset(1))
      case "lost": await client.close()
      default: break
      }
      // In memory, the hang-up is the end of both directions.
      await puppet.until { $0.inputHasEnded }
      await puppet.print("x")
      await puppet.until { $0.outputIsBroken }
      await puppet.exit()
    }
  }

  @Test func aTerminalWithoutInputReadsItsEnd() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(Self.puppet(noInput: true))
      await puppet.started()
      await puppet.readInput()
      await puppet.until { $0.inputHasEnded }
      await puppet.exit()
      #expect(try await client.result(1).contains(#""code":0"#))
    }
  }

  @Test(arguments: [SystemBackend.nio, .uvSpawn])
  func aServerThatCannotOpenATerminalSaysSo(_ backend: SystemBackend) async throws {
    try await Fixture.withProcesses(backend) { fixture in
      let client = try await fixture.client()
      await client.send(
        open(1, #"{"op":"run","argv":["tty"],"terminal":{"rows":24,"columns":80}}"#))
      let result = try await client.result(1)
      #expect(result.contains(#""result":"not_started""#) && result.contains("terminal"))
      #expect(result.contains(#""errno":\#(ENOTSUP)"#))
    }
  }
}
