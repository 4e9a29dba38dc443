import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

/// Standard input of commands.
@Suite struct InputTests {
  @Test(
    arguments: SystemBackend.all,
    [
      ("cat", "x", "x"),
      ("cat", "", ""),
      // These print nothing before the end of their input.
      ("sort", "b\nc\na\n", "a\nb\nc\n"),
      ("wc -c", "12345", "5\n"),
      ("cat | sort | head -n 1", "b\na\n", "a\n"),
      // `read` takes only the first line; the rest is left for the next command.
      ("read a; echo $a; cat", "1\n2\n3\n", "1\n2\n3\n"),
    ])
  func inputReachesCommandsUpToItsEnd(
    _ backend: SystemBackend, _ command: (line: String, input: String, output: String)
  ) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let result = try await connection.run(
        Command(shell: command.line), input: Array(command.input.utf8))
      #expect(result.result.status == .exited(0))
      #expect(String(decoding: result.output, as: UTF8.self) == command.output)
    }
  }

  @Test(arguments: SystemBackend.all)
  func outputContinuesAfterTheHalfClose(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let (output, result) = try await connection.run(
        Command(shell: "cat >/dev/null; echo one; sleep 0.05; echo two"), hasInput: true
      ) { process in
        try await process.input.write(Array("ignored".utf8))
        await process.input.finish()
        var output: [UInt8] = []
        for try await chunk in process.output { output.append(contentsOf: chunk) }
        return output
      }
      #expect(output == Array("one\ntwo\n".utf8))
      #expect(result.isSuccess)
    }
  }

  /// The input is longer than all windows and pipes together.
  @Test(
    arguments: SystemBackend.all, ["exec <&-; sleep 0.05; exit 4", "head -c 10 >/dev/null; exit 4"])
  func aCommandThatStopsReadingEndsNormally(_ backend: SystemBackend, _ line: String) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let result = try await connection.run(
        Command(shell: line), input: [UInt8](repeating: 7, count: 8 << 20))
      #expect(result.result.status == .exited(4))
    }
  }

  @Test(arguments: SystemBackend.all)
  func aCommandThatNeverReadsBlocksItsWriter(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let (taken, result) = try await connection.run(Command("sleep", "600"), hasInput: true) {
        process in
        let piece = Chunk([UInt8](repeating: 1, count: 64 << 10))
        return try await withThrowingTaskGroup(of: Int.self) { group in
          group.addTask {
            var taken = 0
            while true {
              do { try await process.input.write(piece) } catch let error as ClientError {
                #expect(error.code == .inputClosed)
                return taken
              }
              taken += piece.count
            }
          }
          // Other commands run in the meantime.
          #expect(try await connection.run(Command("echo", "x")).output == Array("x\n".utf8))
          await process.signal(SIGTERM)
          return try await group.next() ?? 0
        }
      }
      #expect(taken <= 2 << 20)
      #expect(result.status == .signaled(SIGTERM))
    }
  }

  /// Together they leave more unread than the connection's initial window holds.
  @Test(arguments: SystemBackend.all, [false, true])
  func commandsThatNeverReadDoNotStopTheInputOfOthers(
    _ backend: SystemBackend, relayed: Bool
  ) async throws {
    try await Fixture.with(backend, relayed: relayed) { fixture in
      let connection = try await fixture.connect()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<24 {
          group.addTask {
            _ = try await connection.run(Command("sleep", "600"), hasInput: true) { process in
              try await process.input.write([UInt8](repeating: 1, count: 1 << 20))
            }
          }
        }
        for _ in 0..<3 {
          let (_, result) = try await connection.run(
            Command(shell: "cat > /dev/null"), hasInput: true
          ) { process in
            try await process.input.write([UInt8](repeating: 2, count: 8 << 20))
            await process.input.finish()
          }
          #expect(result.isSuccess)
        }
        group.cancelAll()
        while let ended = await group.nextResult() {
          if case .failure(let error) = ended { #expect(error is CancellationError) }
        }
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func largeInputAndOutputPassThroughCat(_ backend: SystemBackend) async throws {
    // A separate server process shows that its memory does not grow.
    try await ServerProcess.with(backend) { server in
      let connection = try await server.connect()
      let pattern = Pattern()
      let total = Scale.pick(fast: 64 << 20, full: 1 << 30)
      _ = try await connection.run(Command("true"))
      let before = server.view.residentKiB
      let start = ContinuousClock.now
      let (received, result) = try await connection.run(Command("cat"), hasInput: true) { process in
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask {
            var sent = 0
            while sent < total {
              let piece = pattern.piece(at: sent, count: min(256 << 10, total - sent))
              try await process.input.write(piece)
              sent += piece.count
            }
            await process.input.finish()
          }
          var received = 0
          for try await chunk in process.output {
            guard pattern.matches(chunk, at: received) else { break }
            received += chunk.count
          }
          try await group.waitForAll()
          return received
        }
      }
      #expect(received == total)
      #expect(result.isSuccess)
      let growth = server.view.residentKiB - before
      if !Sanitizer.isPresent { #expect(growth < 32 << 10) }
      print("\(total >> 20) MiB through cat: \(start.duration(to: .now)), server + \(growth) KiB")
    }
  }
}

/// Bytes that depend on their offset, so that missing and repeated pieces are detected.
struct Pattern: Sendable {
  /// A prime, so that no power of two is a multiple of the period.
  private static let period = 1_048_583
  private let chunk: Chunk

  init() {
    var random = SplitMix64(state: 1)
    var words = (0..<(Self.period / 8 + 1)).map { _ in random.next() }
    let once = words.withUnsafeMutableBytes { Array($0.prefix(Self.period)) }
    chunk = Chunk(once + once)
  }

  /// The bytes at `offset`; `count` must be less than the period.
  func piece(at offset: Int, count: Int) -> Chunk {
    let start = offset % Self.period
    return chunk.slice(start..<(start + count))
  }

  func matches(_ other: Chunk, at offset: Int) -> Bool {
    piece(at: offset, count: other.count).withUnsafeBytes { expected in
      other.withUnsafeBytes { memcmp($0.baseAddress!, expected.baseAddress!, $0.count) == 0 }
    }
  }
}
