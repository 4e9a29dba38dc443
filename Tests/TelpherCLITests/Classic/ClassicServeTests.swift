import Glibc
import Testing

/// Telpher's servers with the tutorials' clients.
@Suite(.enabled(if: ClassicStage.hasPython))
struct ClassicServeTests {
  let stage: ClassicStage
  init() throws { stage = try ClassicStage() }

  /// The client programs that read complete answers, and their arguments before the port.
  static let readers: [(dialect: String, arguments: [String])] = [
    ("size", ["client"]), ("length", ["client"]), ("length", ["bytewise"]), ("header", ["client"]),
  ]

  private func ask(
    _ reader: (dialect: String, arguments: [String]), _ server: ClassicStage.Running,
    _ commands: [String]
  ) async throws -> Finished {
    let acknowledgement = reader.dialect == "size" ? ["I am ready to receive"] : []
    return await
      (try stage.python(
        reader.dialect, reader.arguments + [server.port] + acknowledgement + commands)).finish()
  }

  @Test(arguments: readers)
  func aTutorialsClientGetsCompleteAnswers(
    _ reader: (dialect: String, arguments: [String])
  ) async throws {
    let server = try await stage.serve(reader.dialect)
    let (path, bytes) = stage.file("five-mebibytes", bytes: 5 << 20)
    let answers = try await ask(
      reader, server, ["echo 你好", "cat \(path)", "true", "echo out; echo err >&2"])
    #expect(answers.output == Array("你好\n".utf8) + bytes + Array("out\nerr\n".utf8))
    #expect(answers.status == 0, "\(answers.errorText)")
    #expect(await server.end().status == 0)
  }

  @Test(arguments: readers)
  func concurrentClientsGetTheirOwnAnswers(
    _ reader: (dialect: String, arguments: [String])
  ) async throws {
    let server = try await stage.serve(reader.dialect)
    try await withThrowingTaskGroup { group in
      for number in 1...10 {
        group.addTask {
          let answers = try await ask(reader, server, ["seq \(number) 20000", "echo \(number)"])
          let numbers = (number...20_000).map { "\($0)\n" }.joined()
          #expect(answers.text == numbers + "\(number)\n")
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func lengthsAreBytesInAnyEncoding() async throws {
    let server = try await stage.serve("length", at: "tcp:127.0.0.1:0", "--encoding", "gbk")
    let answer = try await stage.client("length", "client", server.port, "echo 中文输出")
    // Four characters of two bytes each, and a line's end.
    #expect(answer.output == [0xD6, 0xD0, 0xCE, 0xC4, 0xCA, 0xE4, 0xB3, 0xF6, 0x0A])
    #expect(answer.errorText == "9\n")
  }

  @Test func rawSendsStandardErrorFirst() async throws {
    let server = try await stage.serve("raw")
    let answer = try await stage.client(
      "raw", "client", server.port, "8", "echo out; sleep 0.1; echo err >&2")
    #expect(answer.text == "err\nout\n")
    let note = "telpher: the command has finished without any output\n"
    let silent = try await stage.client("raw", "client", server.port, "\(note.utf8.count)", "true")
    #expect(silent.text == note)
  }

  @Test func rawAnswersStickTogether() async throws {
    let server = try await stage.serve("raw")
    let answers = try await stage.client(
      "raw", "naive", server.port, "seq 1 400", "echo second")
    let reads = answers.text.split(separator: "\n----\n", omittingEmptySubsequences: false)
    let first = (1...400).map { "\($0)\n" }.joined()
    #expect(reads.first.map(String.init) == String(first.prefix(1024)))
    // The second read returns the rest of the first answer.
    #expect(reads.dropFirst().first?.hasPrefix(first.dropFirst(1024)) == true)
  }

  @Test func aClientThatReadsOncePerCommandStaysInStep() async throws {
    let server = try await stage.serve("raw")
    let commands = [
      "echo one; sleep 0.2; id -u", "echo out; echo err >&2", "true", "seq 1 200 | tail -3",
      "ls /no/such/file; echo $?",
    ]
    let answers = try await stage.client(
      "raw", ["naive", server.port] + Array(repeating: commands, count: 8).flatMap { $0 })
    let reads = answers.text.split(separator: "\n----\n", omittingEmptySubsequences: false)
      .dropLast()
    let note = "telpher: the command has finished without any output\n"
    #expect(reads.count == 40)
    for (index, read) in reads.enumerated() {
      let expected =
        ["one\n\(getuid())\n", "err\nout\n", note, "198\n199\n200\n", nil][index % 5]
      #expect(
        expected.map { $0 == String(read) } ?? read.hasSuffix("2\n"), "answer \(index): \(read)")
    }
  }

  @Test(arguments: ["raw", "size", "sleeper", "length", "header"], [10, 100])
  func manyConcurrentClientsGetCorrectAnswers(_ dialect: String, _ count: Int) async throws {
    let server = try await stage.serve(dialect == "sleeper" ? "size" : dialect)
    let counted = try await stage.client(
      "many", dialect, server.port, "\(count)", "1", "2", "3")
    #expect(counted.text == "0 wrong of \(count * 3)\n", "\(counted.errorText)")
  }

  @Test func outputOfALongCommandArrivesBeforeItsEnd() async throws {
    let server = try await stage.serve("raw", at: "tcp:127.0.0.1:0", "--pause", "50ms")
    let client = try stage.python("vanish", ["half", server.port, "echo first; exec sleep 1000"])
    #expect(await client.line() == "connected")
    #expect(await client.line() == "first")
    client.signal(SIGKILL)
    #expect(await server.end().status == 0)
  }

  // MARK: Sizes

  @Test func clientsWithoutAcknowledgementsGetTheirAnswers() async throws {
    let server = try await stage.serve("size", at: "tcp:127.0.0.1:0", "--pause", "100ms")
    let (path, bytes) = stage.file("some", bytes: 300_000)
    let answers = try await stage.client(
      "size", "sleeper", server.port, "true", "echo 你好", "cat \(path)", "true", "echo last")
    #expect(answers.output == Array("你好\n".utf8) + bytes + Array("last\n".utf8))
    #expect(answers.status == 0, "\(answers.errorText)")
  }

  @Test func lateAcknowledgementsAreNotRun() async throws {
    let server = try await stage.serve("size", at: "tcp:127.0.0.1:0", "--pause", "100ms")
    let answers = try await stage.client(
      "size", "late", server.port, "recv_ready", "echo 1")
    #expect(answers.text == "1\n")
    // The acknowledgement and the next command may arrive in one read.
    let both = try await stage.client("size", "late", server.port, "recv_ready", "echo 1", "true")
    #expect(both.text == "1\n")
    #expect(both.errorText == "2 of 2\n0 of 0\n")
    let three = try await stage.client(
      "size", "late", server.port, "recv_ready", "echo 1", "echo 2", "echo 3")
    #expect(three.text == "1\n2\n3\n")
  }

  @Test(arguments: ["tcp", "udp"])
  func replyAnswersEveryMessageWithTheFixedText(_ kind: String) async throws {
    let server = try await stage.serve("reply", at: "\(kind):127.0.0.1:0", "--text", "hahaha 好")
    let answers = try await stage.client("reply", "client", kind, server.port, "one", "two", "三")
    #expect(answers.text == "hahaha 好\nhahaha 好\nhahaha 好\n")
  }

  // MARK: Lines

  @Test func lineModeSeparatesCommandsHoweverTheyArrive() async throws {
    let server = try await stage.serve("raw", at: "tcp:127.0.0.1:0", "--line")
    let expected = "one\ntwo\nthree\n"
    for pieces in [
      ["echo o", "ne\necho two\nec", "ho three\n"], ["echo one\necho two\r\n\necho three\n"],
    ] {
      let child = try stage.python(
        "raw", ["glued", server.port, "\(expected.utf8.count)"] + pieces)
      #expect(await child.finish().text == expected)
    }
  }

  @Test func rawOnDatagramsAnswersWithTwoDatagrams() async throws {
    let server = try await stage.serve("raw", at: "udp:127.0.0.1:0")
    let answers = try await stage.client(
      "raw", "udp-client", server.port, "echo 你好; echo err >&2", "", "seq 1 100000")
    #expect(answers.text.hasPrefix("err err\n\nout 你好\n\nerr \nout \nerr \nout 1\n2\n"))
    #expect(
      answers.text.hasSuffix(
        "\ntelpher: the output is cut off here: a datagram has at most 65507 bytes\n\n"))
  }

  @Test(arguments: ["tcp", "udp"])
  func upperAnswersManyClientsManyTimes(_ kind: String) async throws {
    let server = try await stage.serve("upper", at: "\(kind):127.0.0.1:0")
    try await withThrowingTaskGroup { group in
      for number in 1...10 {
        group.addTask {
          let client = try stage.python(
            "upper", ["client", kind, server.port] + (1...20).map { "client \(number) 你好 \($0)" })
          let expected = (1...20).map { "CLIENT \(number) 你好 \($0)\n" }.joined()
          #expect(await client.finish().text == expected)
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func timeAnswersInTheRequestedFormat() async throws {
    let server = try await stage.serve("time", at: "udp:127.0.0.1:0")
    let answers = try await stage.client("time_of_day", "client", server.port, "", "%Y 年", "%%")
    let lines = answers.text.split(separator: "\n").map(String.init)
    #expect(lines.count == 3)
    let pattern = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/
    #expect(lines.first?.wholeMatch(of: pattern) != nil)
    #expect(lines.dropFirst().first?.hasSuffix(" 年") == true)
    #expect(lines.last == "%")
  }

  // MARK: Clients that disconnect

  @Test(arguments: ["close", "reset"], ["raw", "size", "length", "header"])
  func aDisconnectedClientsProcessesEnd(_ how: String, _ dialect: String) async throws {
    let server = try await stage.serve(dialect)
    let file = stage.sandbox.folder + "/pids"
    // The server also ends processes in other sessions.
    let command = "setsid sleep 1000 & echo $$ $! > \(file).new; mv \(file).new \(file); sleep 1000"
    let client = try stage.python("vanish", [how, server.port, command], input: .pipe)
    #expect(await client.line() == "connected")
    let pids = try await waitForFile(file).split(separator: " ").compactMap { Int32($0) }
    #expect(pids.count == 2)
    client.closeInput()
    #expect(await client.finish().status == 0)
    for pid in pids { #expect(try await isGone(pid, within: 30)) }
    let other = try await stage.run(dialect, on: server, "echo", "still here")
    #expect(other.text == "still here\n")
    #expect(await server.end().status == 0)
  }

  @Test func silentAndStalledClientsDoNotBlockOthers() async throws {
    let server = try await stage.serve("length")
    var others: [Child] = []
    for _ in 1...10 {
      others.append(try stage.python("vanish", ["silent", server.port]))
      others.append(
        try stage.python("vanish", ["stay", server.port, "head -c 50000000 /dev/zero"]))
    }
    for other in others { #expect(await other.line() == "connected") }
    let answer = try await stage.client("length", "client", server.port, "echo 1", "echo 2")
    #expect(answer.text == "1\n2\n")
    for other in others { other.signal(SIGKILL) }
    #expect(await server.end().status == 0)
  }

  @Test(arguments: ["0.2", "3"])
  func aClientThatEndsItsSideStillGetsTheAnswer(_ seconds: String) async throws {
    let server = try await stage.serve("raw")
    let answer = try await stage.client(
      "vanish", "half", server.port, "sleep \(seconds); echo done")
    #expect(answer.text == "connected\ndone\n")
  }
}
