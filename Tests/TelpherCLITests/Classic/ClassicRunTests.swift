import Glibc
import Testing

/// Telpher's client with the tutorials' servers.
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
  func answersOfATutorialsServerAreComplete(_ dialect: String) async throws {
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

  @Test(arguments: ["both", "joined", "either"])
  func rawDeliversEverythingUntilTheServerCloses(_ how: String) async throws {
    let server = try await stage.pythonServer("raw", "server", how)
    // The Python server reads standard error first, so more output than a pipe holds would block it.
    let (path, bytes) = stage.file("some", bytes: 50_000)
    #expect(try await stage.run("raw", on: server, "cat", path).output == bytes)
    let both = try await stage.run("raw", on: server, "echo out; echo err >&2")
    #expect(both.text == (how == "either" ? "err\n" : "err\nout\n"))
    #expect(both.status == 0 && both.errorText.isEmpty)
  }

  @Test func anEmptyRawAnswerEndsWhenTheServerCloses() async throws {
    let server = try await server("raw")
    let none = try await stage.run("raw", on: server, "true")
    #expect(none.output.isEmpty && none.errorText.isEmpty && none.status == 0)
  }

  @Test func aSlowRawAnswerIsDelivered() async throws {
    let server = try await server("raw")
    #expect(try await stage.run("raw", on: server, "sleep 2; echo late").text == "late\n")
    let own = try await stage.serve("raw")
    // This takes longer than `goesOnAfterEnd` lets a command of a client that is gone run.
    #expect(try await stage.run("raw", on: own, "sleep 4; echo late").text == "late\n")
  }

  @Test func withoutACloseARawAnswerEndsAfterASilence() async throws {
    let server = try await stage.pythonServer("raw", "server", "keeps-open")
    let some = try await stage.run("raw", on: server, "--silence", "200ms", "echo some")
    #expect(some.text == "some\n" && some.status == 0)
    #expect(some.errorText.contains("silent for 0.2 s"))
    let other = try await stage.pythonServer("raw", "server", "keeps-open")
    let none = try await stage.run("raw", on: other, "--silence", "200ms", "true")
    #expect(none.output.isEmpty && none.status == 125)
    #expect(none.errorText.contains("--silence"))
  }

  @Test func thePromptReturnsIfARawServerSendsNothing() async throws {
    let server = try await stage.pythonServer("raw", "server", "keeps-open")
    let typed = try await stage.run(
      "raw", on: server, "--silence", "500ms", input: "true\necho a\n")
    #expect(typed.text == "a\n" && typed.status == 0)
    #expect(typed.errorText.contains("has sent nothing for 0.5 s"))
  }

  // MARK: Sizes

  @Test func aServerThatSleepsGetsNoAcknowledgement() async throws {
    let server = try await stage.pythonServer("size", "sleeping", "0.5")
    let typed = try await stage.run(
      "size", on: server, input: "echo one\ntrue\necho two\necho three\n")
    #expect(typed.text == "one\ntwo\nthree\n")
    for command in ["echo one", "true", "echo two", "echo three"] {
      #expect(await server.server.line() == "ran \(command)")
    }
    server.server.signal(SIGKILL)
    #expect(await server.server.line() == nil)
  }

  @Test func answersStayInStepWithAServerThatSleepsLonger() async throws {
    let server = try await stage.pythonServer("size", "sleeping", "2.6")
    let typed = try await stage.run("size", on: server, input: "echo one\necho two\n")
    #expect(typed.text == "one\ntwo\n")
  }

  @Test func anEmptyFirstAnswerKeepsTheAnswersInStep() async throws {
    for arguments in [["server"], ["sleeping", "0.6"]] {
      let server = try await stage.pythonServer("size", arguments)
      let typed = try await stage.run(
        "size", on: server, input: "true\necho one\ntrue\ntrue\necho two\n")
      #expect(typed.text == "one\ntwo\n", "\(arguments)")
      #expect(typed.status == 0)
    }
  }

  @Test func theAckOptionSelectsTheKindOfServer() async throws {
    let waiting = try await stage.pythonServer("size", "server")
    let input = "true\necho one\ntrue\necho two\n"
    #expect(
      try await stage.run("size", on: waiting, "--ack", "always", input: input).text
        == "one\ntwo\n")
    let sleeping = try await stage.pythonServer("size", "sleeping", "0.1")
    #expect(
      try await stage.run("size", on: sleeping, "--ack", "never", input: input).text
        == "one\ntwo\n")
    let none = try await stage.run("size", on: sleeping, "--ack", "perhaps", "ls")
    #expect(none.status != 0 && none.errorText.contains("auto, always, never"))
  }

  @Test func rawOnDatagramsSeparatesTheOutputs() async throws {
    let server = try await stage.pythonServer("raw", "udp-server", kind: "udp")
    let both = try await stage.run("raw", on: server, "echo 你好; echo err >&2")
    #expect(both.text == "你好\n")
    #expect(both.errorText == "err\n")
  }

  @Test(arguments: ["tcp", "udp"])
  func upperDeliversTheAnswers(_ kind: String) async throws {
    let server = try await stage.pythonServer("upper", "server", kind, kind: kind)
    let typed = try await stage.run("upper", on: server, input: "hello\nworld\n")
    #expect(typed.text == "HELLO\nWORLD\n")
  }

  @Test func timeDeliversTheAnswers() async throws {
    let server = try await stage.pythonServer("time_of_day", "server", kind: "udp")
    let time = try await stage.sandbox.telpher("classic", "time", "--on", server.address)
    #expect(time.text.wholeMatch(of: /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n/) != nil)
    let year = try await stage.sandbox.telpher("classic", "time", "--on", server.address, "%Y 年")
    #expect(year.text.wholeMatch(of: /\d{4} 年\n/) != nil)
    let typed = try await stage.sandbox.telpher(
      "classic", "time", "--on", server.address, "--prompt", input: "%Y\n\n%%\nquit\n%Y\n")
    #expect(typed.text.wholeMatch(of: /\d{4}\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n%\n/) != nil)
    #expect(typed.status == 0)
  }

  @Test(arguments: ["tcp", "udp"])
  func replyDeliversTheAnswers(_ kind: String) async throws {
    let server = try await stage.pythonServer("reply", "server", kind, "hahaha", kind: kind)
    let typed = try await stage.run("reply", on: server, input: "one\ntwo\n")
    #expect(typed.text == "hahaha\nhahaha\n")
    #expect(try await stage.run("reply", on: server, "one").text == "hahaha")
  }

  // MARK: The prompt

  @Test(arguments: ["size", "length", "header", "raw"])
  func thePromptEndsAtQuitAndSkipsEmptyLines(_ dialect: String) async throws {
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

  @Test func atThePromptRawReadsOncePerCommand() async throws {
    let server = try await server("raw")
    let typed = try await stage.run(
      "raw", on: server, input: "seq 1 400\necho second\n")
    let first = (1...400).map { "\($0)\n" }.joined()
    #expect(typed.text.hasPrefix(String(first.prefix(1024))))
    #expect(typed.text.contains(first.dropFirst(1024)))
  }

  // MARK: Encodings

  @Test(arguments: ["size", "length"])
  func answersAreConvertedToUTF8(_ dialect: String) async throws {
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

  @Test func aLostConnectionIsReported() async throws {
    let server = try await stage.pythonServer("length", "short")
    let answer = try await stage.run("length", on: server, "echo")
    #expect(answer.text == "0123456789")
    #expect(answer.status == 125)
    #expect(answer.errorText.contains("after 10 of the 100 bytes"))
  }

  @Test func aNegativeLengthIsReported() async throws {
    let server = try await stage.pythonServer("length", "negative")
    let answer = try await stage.run("length", on: server, "echo")
    #expect(answer.status == 125)
    #expect(answer.errorText.contains("-1 bytes"))
  }

  @Test func aWrongDigestIsReported() async throws {
    let server = try await stage.pythonServer("header", "server", "data_size", "bad")
    let answer = try await stage.run("header", on: server, "echo x")
    #expect(answer.text == "x\n")
    #expect(answer.status == 125)
    #expect(answer.errorText.contains("md5"))
  }

  @Test func aPlaceholderIsNotADigestAndReportedOnce() async throws {
    let server = try await stage.pythonServer("header", "server", "total_size", "xxxdxxxx")
    let answer = try await stage.run("header", on: server, "echo x")
    #expect(answer.text == "x\n" && answer.status == 0)
    #expect(answer.errorText.contains(#""xxxdxxxx" is not a checksum"#))
    let typed = try await stage.run("header", on: server, input: "echo one\necho two\n")
    #expect(typed.text == "one\ntwo\n" && typed.status == 0)
    #expect(typed.errorText.ranges(of: "is not a checksum").count == 1)
  }

  @Test func aDigestIsOptional() async throws {
    let server = try await stage.pythonServer("header", "server", "data_size", "none")
    let answer = try await stage.run("header", on: server, "echo x")
    #expect(answer.text == "x\n" && answer.status == 0)
  }

  @Test func anUnreachableServerIsReported() async throws {
    let answer = try await stage.sandbox.telpher(
      "classic", "run", "length", "--on", "tcp:127.0.0.1:1", "ls")
    #expect(answer.status == 125)
    #expect(answer.errorText.contains("tcp:127.0.0.1:1"))
  }
}
