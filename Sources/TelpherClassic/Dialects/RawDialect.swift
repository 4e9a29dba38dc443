internal import TelpherTransport

/// `raw` on streams
///
///     client:  the command
///     server:  standard output and standard error, as they come; a line where there was none
///
/// Nothing tells where an answer ends, and what a reader leaves comes before the next one: this is
/// the dialect in which packets stick. What one read of the server brings is one command, so that
/// two that are sent quickly may become one, or one in pieces two; or each line is one (`--line`).
///
/// `raw` on datagrams
///
///     client:  the command, in one datagram, which may be empty
///     server:  standard error in one datagram, then standard output in one
///
/// What does not fit into a datagram is left out, and a note at its end says so.
struct RawDialect: CommandDialect {
  func answer(
    _ command: ShellCommand, to client: PulledStream, _ shell: Shell
  ) async throws(ClassicError) {
    var hasOutput = false
    while let (_, chunk) = await command.next() {
      hasOutput = true
      try await client.write(chunk)
    }
    guard !hasOutput, !command.wasEnded else { return }
    try await client.write(shell.note("the command has finished without any output"))
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

  /// Sends `command` and delivers what comes until the server ends or is silent for a while, which
  /// is the best guess where nothing tells the end.
  static func askUntilSilence(
    _ command: [UInt8], on server: PulledStream, silence: Silence,
    _ deliver: (Chunk) async throws -> Void
  ) async throws {
    try await server.write(command)
    var isFirst = true
    while let chunk = try await (isFirst ? server.read() : silence.read(server)) {
      isFirst = false
      try await deliver(chunk)
    }
    if isFirst { throw ClassicError.endedBeforeAnswer }
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
