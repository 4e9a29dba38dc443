internal import Logging
internal import TelpherTransport

/// How a dialect answers commands. Everything else about them is the same for all.
protocol CommandDialect {
  /// Sends what `command`, which has started, brings.
  ///
  /// - Throws: `ClassicError`: `lost` where the client is gone; any other becomes a note.
  func answer(
    _ command: ShellCommand, to client: PulledStream, _ shell: Shell
  ) async throws(ClassicError)

  /// Sends a note in the place of an answer.
  func send(note: [UInt8], to client: PulledStream) async throws(ClassicError)

  /// What one read of the client brought that is to be a command, without what the dialect has other
  /// uses for; nil when nothing is left.
  ///
  /// - Throws: `ClassicError` (`lost`) when the connection breaks.
  func command(in read: Chunk, from client: PulledStream) async throws(ClassicError) -> Chunk?
}

extension CommandDialect {
  func command(in read: Chunk, from client: PulledStream) async throws(ClassicError) -> Chunk? {
    read
  }
}

/// A client of a command dialect: what one read brings is one command, as in the tutorials, or with
/// `readsLines` each line. One command runs at a time; the next waits.
final class CommandSession {
  private let client: PulledStream
  private let dialect: any CommandDialect
  private let readsLines: Bool
  private let shell: Shell
  private let loop: any EventLoop
  private let logger: Logger
  private var command: ShellCommand?
  private var firstBytes = FirstBytes()
  /// Reads that were judged and are yet to be taken.
  private var judged: [Chunk] = []
  /// Reads that are held at most while their bytes are unclear: empty lines never become clear.
  private static let mostJudged = 16
  private var lines = LineBuffer()
  private var endTimer: (any LoopTimer)?
  private var isGone = false

  init(
    _ client: PulledStream, _ dialect: any CommandDialect, readsLines: Bool, shell: Shell,
    on loop: any EventLoop, logger: Logger
  ) {
    self.client = client
    self.dialect = dialect
    self.readsLines = readsLines
    self.shell = shell
    self.loop = loop
    self.logger = logger
  }

  /// The bytes that one read of a command dialect's client may bring: one more than a command has,
  /// so that a longer one is seen to be longer.
  static func readLimit(_ limits: ClassicLimits) -> Int { limits.commandBytes + 1 }

  /// Serves the client until it is gone.
  func run() async {
    client.didEnd = { [unowned self] end in didEnd(end) }
    defer {
      client.didEnd = nil
      endTimer?.cancel()
      command?.end()
    }
    do throws(ClassicError) {
      while !isGone, let bytes = try await nextCommand() { try await serve(bytes) }
    } catch {
      // The client is gone, or said what nobody can go on after.
    }
  }

  private func nextCommand() async throws(ClassicError) -> [UInt8]? {
    guard let bytes = readsLines ? try await nextLine() : try await nextRead() else { return nil }
    if FirstBytes.isRequestLine(bytes) { throw closing("HTTP") }
    return bytes
  }

  private func nextRead() async throws(ClassicError) -> [UInt8]? {
    while let read = try await firstRead() {
      guard let bytes = try await dialect.command(in: read, from: client) else { continue }
      guard bytes.count <= shell.limits.commandBytes else { try await refuseLength() }
      return [UInt8](bytes)
    }
    return nil
  }

  private func nextLine() async throws(ClassicError) -> [UInt8]? {
    while true {
      // An empty line is no command.
      if let line = lines.next() {
        guard line.count <= shell.limits.commandBytes else { try await refuseLength() }
        if line.isEmpty { continue }
        return line
      }
      guard lines.count <= shell.limits.commandBytes else { try await refuseLength() }
      guard let bytes = try await client.read() else { return lines.rest() }
      if case .foreign(let name) = firstBytes.receive([UInt8](bytes)) { throw closing(name) }
      lines.append([UInt8](bytes))
    }
  }

  /// The next read of the client. While its bytes may be the beginning of another protocol, the read
  /// is held until the ones after it tell, or for a moment. They stay separate reads.
  private func firstRead() async throws(ClassicError) -> Chunk? {
    if !judged.isEmpty { return judged.removeFirst() }
    guard let first = try await client.read() else { return nil }
    var verdict = firstBytes.receive([UInt8](first))
    reading: while verdict == .unclear, judged.count < Self.mostJudged {
      switch try await client.read(within: shell.limits.firstBytes, on: loop) {
      case .piece(let piece):
        judged.append(piece)
        verdict = firstBytes.receive([UInt8](piece))
      case .end, .silence: break reading
      }
    }
    if case .foreign(let name) = verdict { throw closing(name) }
    return first
  }

  /// Logs that the connection is closed because its client speaks another protocol, of that name.
  private func closing(_ name: String) -> ClassicError {
    logger.warning("\(ClassicError.foreign(name).message): the connection is closed")
    return .foreign(name)
  }

  /// What follows would be the rest of the command, and must not be taken for another one.
  private func refuseLength() async throws(ClassicError) -> Never {
    let error = ClassicError(
      .limit, "a command has at most \(shell.limits.commandBytes) bytes; this ends the connection")
    try await dialect.send(note: shell.note(error.message), to: client)
    throw error
  }

  private func serve(_ bytes: [UInt8]) async throws(ClassicError) {
    do throws(ClassicError) {
      let line = try shell.line(bytes)
      let command = shell.makeCommand()
      self.command = command
      defer {
        command.end()
        self.command = nil
      }
      client.isPeerWaiting = true
      try await shell.start(command, line)
      try await dialect.answer(command, to: client, shell)
      // An answer that was broken off is none.
      client.isPeerWaiting = command.wasEnded
    } catch {
      if error.code == .busy { logger.warning("a client is dropped: \(error.message)") }
      if [.lost, .busy].contains(error.code) { throw error }
      try await dialect.send(note: shell.note(error.message), to: client)
      client.isPeerWaiting = false
    }
  }

  /// The client's bytes have ended. Whether it is gone can't be told where they ended in order.
  private func didEnd(_ end: PulledStream.End) {
    switch end {
    case .failed: leave()
    case .orderly:
      endTimer = loop.schedule(after: shell.limits.goesOnAfterEnd) { [unowned self] in
        // It still reads, as long as the kernel says that it is there.
        if client.hasPeer { didEnd(.orderly) } else { leave() }
      }
    }
  }

  private func leave() {
    isGone = true
    command?.end()
  }
}

extension ClassicError {
  /// What a client meets whose first bytes are another protocol's.
  static func foreign(_ name: String) -> ClassicError {
    ClassicError(
      .violation, "the first bytes are those of \(name) and of no client of this dialect")
  }
}
