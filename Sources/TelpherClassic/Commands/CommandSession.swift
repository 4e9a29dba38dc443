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
}

/// A client of a command dialect: what one read brings is one command, as in the tutorials, or with
/// `readsLines` each line. One command runs at a time; the next waits.
final class CommandSession {
  private let client: PulledStream
  private let dialect: any CommandDialect
  private let readsLines: Bool
  private let shell: Shell
  private let loop: any EventLoop
  private var command: ShellCommand?
  private var lines = LineBuffer()
  private var endTimer: (any LoopTimer)?
  private var isGone = false

  init(
    _ client: PulledStream, _ dialect: any CommandDialect, readsLines: Bool, shell: Shell,
    on loop: any EventLoop
  ) {
    self.client = client
    self.dialect = dialect
    self.readsLines = readsLines
    self.shell = shell
    self.loop = loop
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
    guard readsLines else {
      guard let bytes = try await client.read() else { return nil }
      guard bytes.count <= shell.limits.commandBytes else { try await refuseLength() }
      return [UInt8](bytes)
    }
    while true {
      // An empty line is no command.
      if let line = lines.next() {
        guard line.count <= shell.limits.commandBytes else { try await refuseLength() }
        if line.isEmpty { continue }
        return line
      }
      guard lines.count <= shell.limits.commandBytes else { try await refuseLength() }
      guard let bytes = try await client.read() else { return lines.rest() }
      lines.append([UInt8](bytes))
    }
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
      let command = try shell.makeCommand()
      self.command = command
      defer {
        command.end()
        self.command = nil
      }
      try await shell.start(command, line)
      try await dialect.answer(command, to: client, shell)
    } catch {
      if error.code == .lost { throw error }
      try await dialect.send(note: shell.note(error.message), to: client)
    }
  }

  /// The client's bytes have ended. Whether it is gone can't be told where they ended in order.
  private func didEnd(_ end: PulledStream.End) {
    switch end {
    case .failed: leave()
    case .orderly:
      endTimer = loop.schedule(after: shell.limits.goesOnAfterEnd) { [unowned self] in leave() }
    }
  }

  private func leave() {
    isGone = true
    command?.end()
  }
}
