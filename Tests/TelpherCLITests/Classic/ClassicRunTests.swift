import Glibc
import Testing

/// The tutorials' servers and Telpher's client.
@Suite(.enabled(if: ClassicStage.hasPython))
struct ClassicRunTests {
  let stage: ClassicStage
  init() throws { stage = try ClassicStage() }

  private func server(_ dialect: String) async throws -> ClassicStage.Running {
    switch dialect {
    case "header": try await stage.pythonServer("header", "server", "total_size")
    default: try await stage.pythonServer(dialect, "server")
    }
  }

  @Test(arguments: ["size", "length", "header"])
  func wholeAnswersOfATutorialsServer(_ dialect: String) async throws {
    let server = try await server(dialect)
    let (path, bytes) = stage.file("five-mebibytes", bytes: 5 << 20)
    let large = try await stage.run(dialect, on: server, "cat", path)
    #expect(large.output == bytes)
    #expect(large.status == 0 && large.errorText.isEmpty)
    let both = try await stage.run(dialect, on: server, "echo 你好; echo err >&2")
    #expect(both.text == "你好\nerr\n")
    let none = try await stage.run(dialect, on: server, "true")
    #expect(none.output.isEmpty && none.status == 0)
  }

  @Test func rawTakesWhatComesUntilSilence() async throws {
    let server = try await server("raw")
    let (path, bytes) = stage.file("one-mebibyte", bytes: 1 << 20)
    #expect(try await stage.run("raw", on: server, "cat", path).output == bytes)
    #expect(try await stage.run("raw", on: server, "echo out; echo err >&2").text == "out\nerr\n")
  }

  @Test func rawOnDatagramsTellsTheOutputsApart() async throws {
    let server = try await stage.pythonServer("raw", "udp-server", kind: "udp")
    let both = try await stage.run("raw", on: server, "echo 你好; echo err >&2")
    #expect(both.text == "你好\n")
    #expect(both.errorText == "err\n")
  }

  @Test(arguments: ["tcp", "udp"])
  func upper(_ kind: String) async throws {
    let server = try await stage.pythonServer("upper", "server", kind, kind: kind)
    let typed = try await stage.run("upper", on: server, input: "hello\nworld\n")
    #expect(typed.text == "HELLO\nWORLD\n")
  }

  @Test func time() async throws {
    let server = try await stage.pythonServer("time_of_day", "server", kind: "udp")
    let time = try await stage.sandbox.telpher("classic", "time", "--on", server.address)
    #expect(time.text.wholeMatch(of: /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n/) != nil)
    let year = try await stage.sandbox.telpher("classic", "time", "--on", server.address, "%Y 年")
    #expect(year.text.wholeMatch(of: /\d{4} 年\n/) != nil)
  }

  // MARK: The prompt

  @Test(arguments: ["size", "length", "header", "raw"])
  func thePromptEndsWithQuitAndSendsNoEmptyLines(_ dialect: String) async throws {
    let server = try await server(dialect)
    let typed = try await stage.run(
      dialect, on: server, input: "echo one\n\n   \nprintf two\n  quit \necho three\n")
    #expect(typed.text == "one\ntwo\n")
    #expect(typed.errorText == ">>: >>: >>: >>: >>: ")
    #expect(typed.status == 0)
  }

  @Test func theEndOfTheInputEndsThePrompt() async throws {
    let server = try await server("length")
    let typed = try await stage.run("length", on: server, input: "echo one\necho two")
    #expect(typed.text == "one\ntwo\n")
    #expect(typed.status == 0)
  }

  @Test func atThePromptRawReadsOnceAndTheRestSticks() async throws {
    let server = try await server("raw")
    let typed = try await stage.run(
      "raw", on: server, input: "seq 1 400\necho second\n")
    let first = (1...400).map { "\($0)\n" }.joined()
    #expect(typed.text.hasPrefix(String(first.prefix(1024))))
    #expect(typed.text.contains(first.dropFirst(1024)))
  }

  // MARK: Encodings

  @Test(arguments: ["size", "length"])
  func anEncodingIsTurnedIntoUTF8(_ dialect: String) async throws {
    let server = try await stage.pythonServer(dialect, "server", "gbk")
    let answer = try await stage.run(
      dialect, on: server, "--encoding", "gbk", "for i in $(seq 1 5000); do echo 第$i行; done")
    #expect(answer.text == (1...5_000).map { "第\($0)行\n" }.joined())
    let bytes = try await stage.run(dialect, on: server, "echo 行")
    #expect(bytes.output == [0xD0, 0xD0, 0x0A])
  }

  @Test func anUnknownEncodingIsRefused() async throws {
    let server = try await server("length")
    let answer = try await stage.run("length", on: server, "--encoding", "nonsense", "echo")
    #expect(answer.status == 125)
    #expect(answer.errorText.contains("'nonsense'"))
  }

  // MARK: Servers that fail

  @Test func aServerThatGoesInTheMiddleIsTold() async throws {
    let server = try await stage.pythonServer("length", "short")
    let answer = try await stage.run("length", on: server, "echo")
    #expect(answer.text == "0123456789")
    #expect(answer.status == 125)
    #expect(answer.errorText.contains("after 10 of the 100 bytes"))
  }

  @Test func aNegativeLengthIsTold() async throws {
    let server = try await stage.pythonServer("length", "negative")
    let answer = try await stage.run("length", on: server, "echo")
    #expect(answer.status == 125)
    #expect(answer.errorText.contains("-1 bytes"))
  }

  @Test func aWrongDigestIsTold() async throws {
    let server = try await stage.pythonServer("header", "server", "data_size", "bad")
    let answer = try await stage.run("header", on: server, "echo x")
    #expect(answer.text == "x\n")
    #expect(answer.status == 125)
    #expect(answer.errorText.contains("md5"))
  }

  @Test func aDigestMayLack() async throws {
    let server = try await stage.pythonServer("header", "server", "data_size", "none")
    let answer = try await stage.run("header", on: server, "echo x")
    #expect(answer.text == "x\n" && answer.status == 0)
  }

  @Test func nobodyThereIsTold() async throws {
    let answer = try await stage.sandbox.telpher(
      "classic", "run", "length", "--on", "tcp:127.0.0.1:1", "ls")
    #expect(answer.status == 125)
    #expect(answer.errorText.contains("tcp:127.0.0.1:1"))
  }
}
