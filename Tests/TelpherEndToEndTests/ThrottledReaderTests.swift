import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

/// The bytes of `seq 1 2000000`, compared with chunks as they arrive.
struct ExpectedOutput {
  static let sequence = LocalShell.output(of: "seq 1 2000000")

  let bytes: [UInt8]
  private(set) var position = 0
  private(set) var isSame = true

  init(_ bytes: [UInt8] = Self.sequence) { self.bytes = bytes }

  /// Whether exactly these bytes have arrived.
  var isComplete: Bool { isSame && position == bytes.count }

  mutating func take(_ chunk: Chunk) {
    isSame =
      isSame && position + chunk.count <= bytes.count
      && chunk.withUnsafeBytes { got in
        bytes.withUnsafeBytes {
          memcmp(got.baseAddress!, $0.baseAddress! + position, got.count) == 0
        }
      }
    position += chunk.count
  }
}

/// Output arrives complete, however often its reader pauses.
@Suite struct ThrottledReaderTests {
  /// The speed of a reader.
  enum Pace: CaseIterable, Sendable {
    /// Without pauses.
    case steady
    /// Other tasks run between chunks.
    case yielding
    /// With a short pause before each chunk.
    case napping
    /// With a longer pause after every sixteen chunks.
    case stopAndGo
    /// With a pause before the first chunk, in which the command is blocked.
    case lateStart

    func pause(before piece: Int) async throws {
      switch self {
      case .steady: break
      case .yielding: await Task.yield()
      case .napping: try await Task.sleep(for: .microseconds(200))
      case .stopAndGo: if piece % 16 == 15 { try await Task.sleep(for: .milliseconds(4)) }
      case .lateStart: if piece == 0 { try await Task.sleep(for: .milliseconds(50)) }
      }
    }
  }

  /// Whether the exit or the end of the output comes first.
  enum Order: String, CaseIterable, Sendable {
    /// The last bytes are still in the pipe when the process exits.
    case exitFirst = "seq 1 2000000"
    /// The process closes its output and exits later, when its input ends.
    case endOfOutputFirst = "seq 1 2000000; exec >&- 2>&-; read line; exit 0"
  }

  private static let rounds = Scale.pick(fast: 2, full: 100)

  private static let ways = Pace.allCases.flatMap { pace in
    Order.allCases.map { (pace: pace, order: $0) }
  }

  @Test(arguments: SystemBackend.all, ways)
  func readersOfAnySpeedReceiveTheSameBytes(
    _ backend: SystemBackend, _ way: (pace: Pace, order: Order)
  ) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      for _ in 0..<Self.rounds {
        try await Self.run(Command(shell: way.order.rawValue), on: connection, way.pace)
      }
    }
  }

  @Test(arguments: SystemBackend.whereHeavy)
  func manyReadersAtOnceReceiveTheSameBytes(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      for _ in 0..<Scale.pick(fast: 1, full: 10) {
        try await withThrowingTaskGroup { group in
          for number in 0..<10 {
            let pace = Pace.allCases[number % Pace.allCases.count]
            group.addTask {
              try await Self.run(Command("seq", "1", "2000000"), on: connection, pace)
            }
          }
          try await group.waitForAll()
        }
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func aSocketThatIsReadWithPausesReceivesAllBytes(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      for _ in 0..<Scale.pick(fast: 1, full: 20) {
        let client = try await RawClient.connect(to: fixture.address, on: fixture.clientLoop)
        let stream = await client.run(#"{"op":"run","argv":["seq","1","2000000"]}"#)
        for _ in 0..<20 {
          await client.startReading()
          try await Task.sleep(for: .milliseconds(1))
          await client.stopReading()
          try await Task.sleep(for: .milliseconds(2))
        }
        await client.startReading()
        try await eventually("the result comes") { await client.result(stream) != nil }
        #expect(await client.result(stream)?.code == 0)
        #expect(await client.output(stream) == ExpectedOutput.sequence)
        await client.close()
      }
    }
  }

  /// The drain is over long before the reader takes the last bytes.
  @Test(arguments: SystemBackend.all, [Duration.zero, .milliseconds(50)])
  func outputThatIsReadAfterTheDrainIsComplete(_ backend: SystemBackend, _ drain: Duration)
    async throws
  {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let ended = EndedCommand(Self.overfull)
      var command = Command(shell: ended.line)
      command.drain = drain
      let (output, result) = try await connection.run(command) { process in
        try await connection.outlastDrain(of: ended, drain)
        var output = ExpectedOutput(LocalShell.output(of: Self.overfull))
        for try await chunk in process.output { output.take(chunk) }
        return output
      }
      #expect(output.isComplete)
      #expect(result.status == .exited(0))
      // No process held the pipe; only the reader was slow. With NIO, a child of a parallel test has
      // a copy of it between fork and exec.
      withKnownIssue(isIntermittent: true) {
        #expect(result.details.pipeHeld == nil)
      } when: {
        backend == .nio
      }
    }
  }

  /// Another stream has filled the connection, so the bytes of a short command wait in the server.
  /// Its result must not be sent before them, although its drain is over.
  @Test(arguments: SystemBackend.all)
  func aResultIsSentAfterTheOutput(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let client = try await RawClient.connect(to: fixture.address, on: fixture.clientLoop)
      _ = await client.run(#"{"op":"run","argv":["yes"]}"#)
      // Wait until the socket is full: the client has not read from it.
      try await Task.sleep(for: .milliseconds(100))
      let ended = EndedCommand("echo x")
      let stream = await client.run(#"{"op":"run","shell":"\#(ended.line)","drain_ms":0}"#)
      try await fixture.connect().outlastDrain(of: ended, .zero)
      await client.startReading()
      try await eventually("the result comes") { await client.result(stream) != nil }
      #expect(await client.output(stream) == Array("x\n".utf8))
      #expect(await client.result(stream)?.bytes?["1"] == 2)
      await client.close()
    }
  }

  /// A command whose output is longer than the window but shorter than window and pipe together: it
  /// exits although no one reads, and leaves bytes in the pipe.
  static let overfull = "seq 1 2000000 2>/dev/null | head -c \((1 << 20) + 48 * 1_024)"

  private static func run(_ command: Command, on connection: Connection, _ pace: Pace) async throws
  {
    let (output, result) = try await connection.run(command, hasInput: true) { process in
      var output = ExpectedOutput()
      var piece = 0
      for try await chunk in process.output {
        try await pace.pause(before: piece)
        output.take(chunk)
        piece += 1
      }
      await process.input.finish()
      return output
    }
    #expect(output.isComplete)
    #expect(result.status == .exited(0))
    #expect(result.details.pipeHeld == nil)
  }
}
