import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

/// Commands on a terminal of the server.
@Suite(.timeLimit(.minutes(15))) struct TerminalTests {
  static let backends: [SystemBackend] = [.uv, .uvWalks]

  /// A command on a terminal that runs `line`.
  private func command(_ line: String) -> Command {
    var command = Command(shell: line)
    command.terminal = TerminalSize(rows: 24, columns: 80)
    command.terminalType = "dumb"
    return command
  }

  private func text(_ result: CollectedResult) -> String {
    String(decoding: result.output, as: UTF8.self)
  }

  @Test(arguments: backends, [false, true])
  func theCommandLeadsASessionOnItsTerminal(
    _ backend: SystemBackend, _ relayed: Bool
  ) async throws {
    try await Fixture.with(backend, relayed: relayed) { fixture in
      let connection = try await fixture.connect()
      let result = try await connection.run(
        command("tty; stty size; ps -o sid=,pgid=,tpgid= -p $$ | tr -s ' '; echo $$; exit 7"))
      let lines = text(result).split(separator: "\r\n").map(String.init)
      #expect(result.result.status == .exited(7))
      try #require(lines.count == 4)
      #expect(lines[0].hasPrefix("/dev/pts/") && lines[1] == "24 80")
      let shell = lines[3]
      #expect(
        lines[2].split(separator: " ").map(String.init) == [shell, shell, shell])
      #expect(result.error.isEmpty)
    }
  }

  @Test(arguments: backends, [false, true])
  func aNewSizeReachesTheCommand(_ backend: SystemBackend, _ relayed: Bool) async throws {
    try await Fixture.with(backend, relayed: relayed) { fixture in
      let connection = try await fixture.connect()
      let (text, result) = try await connection.run(
        command(
          "trap 'stty size; exit' WINCH; stty -a | grep -o 'rows.*columns [0-9]*'; while :; do sleep 0.02; done"
        ),
        hasInput: true
      ) { command in
        var text = ""
        for try await chunk in command.output {
          if text.isEmpty {
            await command.resizeTerminal(to: TerminalSize(rows: 50, columns: 20_000))
          }
          text += String(decoding: [UInt8](chunk), as: UTF8.self)
        }
        return text
      }
      #expect(text == "rows 24; columns 80\r\n50 10000\r\n")
      #expect(result.status == .exited(0))
    }
  }

  /// Without the second end-of-file character the line would only be handed over.
  @Test(
    arguments: backends,
    [
      ("cat", "a\nb\n", "a\r\nb\r\na\r\nb\r\n"), ("cat", "ab", "abab"), ("cat", "", ""),
    ])
  func theEndOfTheInputIsTyped(
    _ backend: SystemBackend, _ test: (line: String, input: String, output: String)
  ) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      // What is typed before `cat` reads may be echoed before or after a line of output.
      let sorted = try await connection.run(command(test.line), input: Array(test.input.utf8))
      #expect(sorted.result.status == .exited(0))
      #expect(text(sorted).sorted() == test.output.sorted())
    }
  }

  @Test(arguments: backends)
  func theEndOfFileCharacterIsPlainInputOfARawTerminal(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let (output, result) = try await connection.run(
        command("stty raw -echo; echo; head -c 3"), hasInput: true
      ) { command in
        var output: [UInt8] = []
        for try await chunk in command.output {
          // The first byte shows that the terminal is raw.
          if output.isEmpty { try await command.input.write(Array("a\n\u{4}".utf8)) }
          output.append(contentsOf: chunk)
        }
        return output
      }
      #expect(output == Array("\na\n\u{4}".utf8))
      #expect(result.status == .exited(0))
    }
  }

  @Test(arguments: backends)
  func withoutInputTheCommandReadsTheEnd(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let result = try await connection.run(command("cat; echo over"))
      #expect(text(result) == "over\r\n")
    }
  }

  /// More than fits into the kernel's buffers in each direction, through a program that reads and
  /// writes bytes.
  @Test(arguments: backends)
  func tenMegabytesPassUnchanged(_ backend: SystemBackend) async throws {
    let bytes = (0..<10_000_000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 11) }
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let (echoed, result) = try await connection.run(
        command("stty raw -echo; echo; head -c \(bytes.count)"), hasInput: true
      ) { command in
        var output: [UInt8] = []
        var writer: Task<Void, any Error>?
        for try await chunk in command.output {
          // The first byte shows that the terminal is raw.
          if writer == nil { writer = Task { try await command.input.write(bytes) } }
          output.append(contentsOf: chunk)
        }
        try await writer?.value
        return output
      }
      // Compare outside of the macro, which would compute the differences of megabytes.
      let isSame = Array(echoed.dropFirst()) == bytes
      #expect(isSame, "\(echoed.count) bytes")
      #expect(result.status == .exited(0))
    }
  }

  @Test(arguments: backends)
  func allLinesBeforeTheExitArrive(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      for _ in 0..<20 {
        let result = try await connection.run(command("seq 20000"))
        let isSame = text(result) == (1...20_000).map { "\($0)\r\n" }.joined()
        #expect(isSame, "\(result.output.count) bytes")
      }
    }
  }

  @Test(arguments: backends)
  func aClientThatDoesNotReadBlocksTheWriter(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let (_, result) = try await connection.run(command("echo $$; exec yes")) { command in
        let output = command.output.makeAsyncIterator()
        let first = try #require(try await output.next())
        let pid = try #require(
          Int(String(decoding: [UInt8](first).prefix { $0 != 13 }, as: UTF8.self)))
        // It waits in a write once the window and the terminal are full.
        try await eventually("the command sleeps") {
          TelpherEndToEndTests.text("/proc/\(pid)/stat").split(separator: " ").dropFirst(2).first
            == "S"
        }
        await command.cancel()
      }
      #expect(result.status == .canceled)
    }
  }

  @Test(arguments: backends)
  func aBackgroundProcessThatHoldsTheTerminalDelaysTheEndOnlyByTheDrain(
    _ backend: SystemBackend
  ) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let mark = unusualDuration()
      var held = command(
        "setsid sleep \(mark) & echo early; until pgrep -f '^sleep \(mark)' >/dev/null; do :; done; exit 4"
      )
      held.drain = .milliseconds(50)
      let result = try await connection.run(held)
      #expect(text(result) == "early\r\n")
      #expect(result.result.status == .exited(4))
      #expect(result.result.pipeWasHeld)
      for pid in ProcessView.marked(mark) { kill(pid, SIGKILL) }
    }
  }
}
