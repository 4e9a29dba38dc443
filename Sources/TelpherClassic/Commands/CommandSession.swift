internal import Logging
internal import TelpherTransport

/// How a dialect answers commands. `CommandSession` does everything that is the same for all
/// dialects.
protocol CommandDialect {
  /// Sends the output of `command`, which has started.
  ///
  /// - Throws: `ClassicError`: `lost` if the client is gone. The session sends the message of any
  ///   other error as a note.
  func answer(
    _ command: ShellCommand, to client: PulledStream, _ shell: Shell
  ) async throws(ClassicError)

  /// Sends a note instead of an answer.
  func send(note: [UInt8], to client: PulledStream) async throws(ClassicError)

  /// Takes the dialect's own messages, such as acknowledgements, out of the bytes of one read.
  /// Returns the command that is left; nil if none is.
  ///
  /// - Throws: `ClassicError` (`lost`) if the connection fails.
  func command(in read: Chunk, from client: PulledStream) async throws(ClassicError) -> Chunk?
}

extension CommandDialect {
  func command(in read: Chunk, from client: PulledStream) async throws(ClassicError) -> Chunk? {
    read
  }
}

/// Serves one client of a dialect that runs commands. One read is one command, as in the tutorials;
/// with `readsLines` one line is. One command runs at a time; later ones wait.
final class CommandSession {
  private let client: PulledStream
  private let dialect: any CommandDialect
  private let readsLines: Bool
  private let shell: Shell
  private let loop: any EventLoop
  private let logger: Logger
  private var command: ShellCommand?
  private var firstBytes = FirstBytes()
  /// Reads that `firstBytes` has judged and that have not run yet.
  private var heldReads: [Chunk] = []
  /// The most reads to hold while their bytes are unclear. Empty lines never become clear.
  private static let maxHeldReads = 16
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

  /// The most bytes of one read from a client: one more than a command may have, so that the server
  /// notices a command that is too long.
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
      // The client is gone, or what it sent makes it impossible to continue.
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
      // An empty line is not a command.
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

  /// Returns the next read of the client. While the bytes may be the beginning of another protocol,
  /// it holds the read until later reads decide, or until `ClassicLimits.firstBytes` has passed.
  /// The held reads stay separate.
  private func firstRead() async throws(ClassicError) -> Chunk? {
    if !heldReads.isEmpty { return heldReads.removeFirst() }
    guard let first = try await client.read() else { return nil }
    var verdict = firstBytes.receive([UInt8](first))
    reading: while verdict == .unclear, heldReads.count < Self.maxHeldReads {
      switch try await client.read(within: shell.limits.firstBytes, on: loop) {
      case .piece(let piece):
        heldReads.append(piece)
        verdict = firstBytes.receive([UInt8](piece))
      case .end, .silence: break reading
      }
    }
    if case .foreign(let name) = verdict { throw closing(name) }
    return first
  }

  /// Logs that the server closes the connection of a client that speaks the protocol `name`.
  /// Returns the error to throw.
  private func closing(_ name: String) -> ClassicError {
    logger.warning("\(ClassicError.foreign(name).message): the connection is closed")
    return .foreign(name)
  }

  /// Refuses a command that is too long and ends the session: the next bytes are the rest of this
  /// command and must not run as another one.
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
      // After an incomplete answer the client still waits for one.
      client.isPeerWaiting = command.wasEnded
    } catch {
      if error.code == .busy { logger.warning("a client is dropped: \(error.message)") }
      if [.lost, .busy].contains(error.code) { throw error }
      try await dialect.send(note: shell.note(error.message), to: client)
      client.isPeerWaiting = false
    }
  }

  /// The client has ended its sending side. An orderly end does not show whether the client is
  /// gone.
  private func didEnd(_ end: PulledStream.End) {
    switch end {
    case .failed: leave()
    case .orderly:
      endTimer = loop.schedule(after: shell.limits.goesOnAfterEnd) { [unowned self] in
        // The client still reads as long as a process has its end open.
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
  /// The client's first bytes belong to another protocol, of that name.
  static func foreign(_ name: String) -> ClassicError {
    ClassicError(
      .violation, "the client speaks \(name) instead of this dialect")
  }
}
