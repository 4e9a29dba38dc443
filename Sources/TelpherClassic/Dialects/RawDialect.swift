internal import TelpherTransport

/// The dialect `raw`, on streams and on datagrams.
///
/// On streams:
///
///     client:  the command
///     server:  standard error and then standard output, in one piece; a note if both are empty
///
/// Nothing marks the end of an answer. Bytes that a client does not read at once precede the next
/// answer: in this dialect answers stick together. The server takes what one read brings as one
/// command, so two commands sent quickly may become one, and a command sent in pieces may become
/// two. With `--line` each line is a command.
///
/// A tutorial's client calls recv once for each command. Therefore the server, like the tutorials'
/// servers, collects the output until the command has exited: a client stays in step as long as
/// each answer fits its recv. The server sends output in pieces if it has `heldBytes` or more, or
/// if the command still runs `heldOutput` after the first held byte. Otherwise the user would never
/// see the output of a command that does not end.
///
/// On datagrams:
///
///     client:  the command, in one datagram, which may be empty
///     server:  standard error in one datagram, then standard output in one
///
/// The server cuts an output that does not fit a datagram, and ends it with a note that says so.
struct RawDialect: CommandDialect {
  /// How long output is held, in nanoseconds. Nil for `ClassicLimits.heldOutput`.
  let pause: UInt64?
  let loop: any EventLoop

  func answer(
    _ command: ShellCommand, to client: PulledStream, _ shell: Shell
  ) async throws(ClassicError) {
    let limits = shell.limits
    var held = HeldOutput()
    var hasSent = false
    /// When the held output must be sent. Nil while nothing is held.
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

  /// Sends `command` and delivers what one read brings, as the tutorials' recv does: the beginning
  /// of the answer, or the rest of an earlier one. Some servers send nothing for an empty output, so
  /// it waits at most `wait.firstAnswer`, and then calls `notice`.
  static func askOnce(
    _ command: [UInt8], on server: PulledStream, _ wait: RawWait,
    notice: (String) -> Void, _ deliver: (Chunk) async throws -> Void
  ) async throws {
    try await server.write(command)
    switch try await server.read(within: wait.firstAnswer, on: wait.loop) {
    case .piece(let chunk): try await deliver(chunk)
    case .end: throw ClassicError.endedBeforeAnswer
    case .silence:
      notice(
        "the server has sent nothing for \(seconds(wait.firstAnswer)); a later answer is shown with the next one; use --silence to wait longer"
      )
    }
  }

  /// Sends `command`, the last one on the connection, and delivers the answer.
  ///
  /// After the first byte, or after a silence, the client ends its sending side. A tutorial's
  /// server reads this end after it has sent the answer, and then closes the connection; only this
  /// close marks the end of the answer reliably. If the server does not close the connection, the
  /// client assumes after a silence that the answer is complete, and calls `notice`.
  ///
  /// - Throws: `ClassicError`: `lost` if the server closes the connection without an answer while
  ///   this side is still open, `silent` if neither bytes nor an end arrive.
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
      // An empty answer is possible only over TCP: Unix sockets belong to Telpher's servers, which
      // send something for every command.
      case .end where hasAnswer || (hasFinished && server.isNetwork): return
      case .end: throw ClassicError.endedBeforeAnswer
      case .silence where !hasFinished: break
      case .silence where hasAnswer:
        return notice(
          "the server was silent for \(Self.seconds(patience)); the answer is taken as complete"
        )
      case .silence:
        throw ClassicError(
          .silent,
          "the server has sent nothing for \(Self.seconds(patience)) and has not closed the connection; use --silence to wait longer"
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

/// How long a client of `raw` waits, since nothing marks the end of an answer. Times are in
/// nanoseconds.
struct RawWait {
  let loop: any EventLoop
  /// For more of the answer; also for its first byte, before this side has ended.
  let silence: UInt64
  /// For the first byte, after this side has ended, or if it has further questions.
  let firstAnswer: UInt64
}

/// The output of a command that is held in order to be sent in one piece.
private struct HeldOutput {
  private var error: [UInt8] = []
  private var standard: [UInt8] = []

  /// The number of held bytes.
  var count: Int { error.count + standard.count }

  mutating func append(_ chunk: Chunk, from output: ShellCommand.Output) {
    switch output {
    case .error: error.append(contentsOf: chunk)
    case .standard: standard.append(contentsOf: chunk)
    }
  }

  /// Takes all held bytes, standard error first: the tutorials' servers read and send it first.
  mutating func take() -> [UInt8] {
    defer { (error, standard) = ([], []) }
    return error + standard
  }
}

/// Reads with a time limit. When the limit passes, it closes the stream.
struct Silence {
  let loop: any EventLoop
  /// How long each read may wait, in nanoseconds.
  let longest: UInt64

  /// The next bytes. Nil at the end of the stream, or if nothing arrived in time.
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
