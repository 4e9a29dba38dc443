internal import TelpherTransport

/// `raw` on streams
///
///     client:  the command
///     server:  standard error and then standard output, in one piece; a line where there was none
///
/// Nothing tells where an answer ends, and what a reader leaves comes before the next one: this is
/// the dialect in which packets stick. What one read of the server brings is one command, so that
/// two that are sent quickly may become one, or one in pieces two; or each line is one (`--line`).
///
/// A tutorial's client calls recv once for each command. So the server gathers the output until the
/// command has exited, as the tutorials' servers do, and a client stays in step as long as each
/// answer fits its recv. Output of more than `heldBytes`, or of a command that goes on for longer
/// than `heldOutput` after the first byte that is held, is sent in pieces: a log that grows would
/// never be seen otherwise.
///
/// `raw` on datagrams
///
///     client:  the command, in one datagram, which may be empty
///     server:  standard error in one datagram, then standard output in one
///
/// What does not fit into a datagram is left out, and a note at its end says so.
struct RawDialect: CommandDialect {
  /// How long output is held, in nanoseconds; nil for `ClassicLimits.heldOutput`.
  let pause: UInt64?
  let loop: any EventLoop

  func answer(
    _ command: ShellCommand, to client: PulledStream, _ shell: Shell
  ) async throws(ClassicError) {
    let limits = shell.limits
    var held = HeldOutput()
    var hasSent = false
    /// When what is held has waited for long enough; nil while nothing is held.
    var deadline: UInt64?
    gathering: while true {
      let isDue: Bool
      switch await command.next(within: deadline.map { $0 - min($0, loop.now) }) {
      case .piece(let output, let chunk):
        held.append(chunk, from: output)
        if deadline == nil {
          deadline = loop.now + (hasSent ? limits.heldRest : pause ?? limits.heldOutput)
        }
        isDue = held.count >= limits.heldBytes
      case .silence: isDue = true
      case .over: break gathering
      }
      guard isDue else { continue }
      try await client.write(held.take())
      (hasSent, deadline) = (true, nil)
    }
    guard !command.wasEnded else { return }
    if held.count > 0 {
      try await client.write(held.take())
    } else if !hasSent {
      try await client.write(shell.note("the command has finished without any output"))
    }
  }

  func send(note: [UInt8], to client: PulledStream) async throws(ClassicError) {
    try await client.write(note)
  }

  /// Sends `command` and delivers what one read brings, as the tutorials' recv does: the beginning of
  /// the answer, or what the last read left of the one before.
  static func askOnce(
    _ command: [UInt8], on server: PulledStream, _ deliver: (Chunk) async throws -> Void
  ) async throws {
    try await server.write(command)
    guard let chunk = try await server.read() else { throw ClassicError.endedBeforeAnswer }
    try await deliver(chunk)
  }

  /// Sends `command`, the last one, and delivers the answer.
  ///
  /// After the first byte, or after a silence, the client ends its side: a tutorial's server reads
  /// that after the answer and ends the connection, which is the one sure end of an answer. A server
  /// that does not end the connection is silent after the answer: that is the best guess, and
  /// `notice` is called with it.
  ///
  /// - Throws: `ClassicError`: `lost` when the server ends before this side has, `silent` when
  ///   nothing comes and nothing ends.
  static func askLast(
    _ command: [UInt8], on server: PulledStream, _ wait: RawWait,
    notice: (String) -> Void, _ deliver: (Chunk) async throws -> Void
  ) async throws {
    try await server.write(command)
    var hasAnswer = false
    var hasFinished = false
    while true {
      let patience = hasFinished && !hasAnswer ? wait.firstAnswer : wait.silence
      switch try await server.read(within: patience, on: wait.loop) {
      case .piece(let chunk):
        hasAnswer = true
        try await deliver(chunk)
      // Only Telpher serves Unix sockets, and it sends something for every command.
      case .end where hasAnswer || (hasFinished && server.isNetwork): return
      case .end: throw ClassicError.endedBeforeAnswer
      case .silence where !hasFinished: break
      case .silence where hasAnswer:
        return notice(
          "the server was silent for \(Self.seconds(patience)), and the answer is taken to end there"
        )
      case .silence:
        throw ClassicError(
          .silent,
          "the server has sent nothing for \(Self.seconds(patience)) and has not ended the connection; --silence waits longer"
        )
      }
      if !hasFinished { server.finishWriting() }
      hasFinished = true
    }
  }

  private static func seconds(_ nanoseconds: UInt64) -> String {
    "\(Double(nanoseconds / 1_000_000) / 1_000) s"
  }
}

/// How long a client of `raw` waits where nothing tells the end of an answer, in nanoseconds.
struct RawWait {
  let loop: any EventLoop
  /// For more of an answer, or for the first byte before this side is ended.
  let silence: UInt64
  /// For the first byte after that.
  let firstAnswer: UInt64
}

/// The output of a command that is held in order to be sent in one piece.
private struct HeldOutput {
  private var error: [UInt8] = []
  private var standard: [UInt8] = []

  /// How many bytes are held.
  var count: Int { error.count + standard.count }

  mutating func append(_ chunk: Chunk, from output: ShellCommand.Output) {
    switch output {
    case .error: error.append(contentsOf: chunk)
    case .standard: standard.append(contentsOf: chunk)
    }
  }

  /// All that is held: standard error first, as the tutorials' servers read and send it.
  mutating func take() -> [UInt8] {
    defer { (error, standard) = ([], []) }
    return error + standard
  }
}

/// Reads with an end to its patience. Once that is over the stream is closed.
struct Silence {
  let loop: any EventLoop
  /// How long nothing may come, in nanoseconds.
  let longest: UInt64

  /// What comes next; nil at the end, or where nothing came in time.
  func read(_ stream: PulledStream) async throws(ClassicError) -> Chunk? {
    var isOver = false
    let timer = loop.schedule(after: longest) {
      isOver = true
      stream.close()
    }
    defer { timer.cancel() }
    do throws(ClassicError) { return try await stream.read() } catch {
      if isOver { return nil }
      throw error
    }
  }
}
