public import TelpherTransport
internal import TelpherWire

/// A running command, valid inside the closure of `Connection.run`. It may be used from any task
/// there.
public struct RunningCommand: Sendable {
  let connection: Connection
  let stream: StreamID
  let readers: OutputReaders

  /// The loop of its connection.
  public var loop: any EventLoop { connection.loop }
  /// Its standard output, in chunks as they arrive. Only one task may read it.
  public var output: CommandOutput { CommandOutput(command: self, channel: .stdout) }
  /// Its standard error, in chunks as they arrive. Only one task may read it.
  public var error: CommandOutput { CommandOutput(command: self, channel: .stderr) }
  /// Its standard input.
  public var input: CommandInput { CommandInput(command: self) }

  /// Sends a signal, by its number on the server's system, to the command's process group.
  public func signal(_ number: Int32) async {
    await connection.with(stream) { $0.signal(number) }
  }

  /// Sets the size of the command's terminal; its foreground process group gets SIGWINCH. Does
  /// nothing if the command has no terminal. Each side is at most 10,000; a larger one is cut.
  public func resizeTerminal(to size: TerminalSize) async {
    await connection.with(stream) { $0.resizeTerminal(to: size) }
  }

  /// Ends the command and all its children: SIGTERM, then SIGKILL after the grace. The result is
  /// `canceled`.
  public func cancel() async {
    await connection.with(stream) { $0.cancel() }
  }

  /// Waits for the command to end. Its outputs must be read or dropped, or else it may never end.
  ///
  /// - Throws: `ClientError` if the result is unknown.
  public func result() async throws -> CommandResult {
    try await connection.result(stream)
  }

  func abandon() async {
    await connection.with(stream) {
      $0.cancel()
      $0.dropOutputs()
    }
  }

  func finishReading() async {
    await connection.with(stream) { $0.finishReading() }
  }

  func collected() async -> (output: [UInt8], error: [UInt8]) {
    await connection.with(stream) { ($0.output.collected, $0.error.collected) } ?? ([], [])
  }

  /// Runs `body` and then forgets the command. If the task is canceled, cancels the command and
  /// throws `CancellationError`.
  func inScope<Value>(_ body: () async throws -> Value) async throws -> Value {
    let (connection, stream) = (connection, stream)
    do {
      let value = try await withTaskCancellationHandler {
        try await body()
      } onCancel: {
        connection.loop.execute {
          connection.assumeIsolated { connection in
            _ = connection.with(stream) { $0.cancel() }
          }
        }
      }
      if await connection.forget(stream) == .canceled { try Task.checkCancellation() }
      return value
    } catch {
      await connection.forget(stream)
      throw error
    }
  }
}

/// One output of a running command, as a sequence of chunks.
///
/// Iterating throws `ClientError` if the connection is lost. If the sequence ends without an error,
/// the output is complete.
public struct CommandOutput: AsyncSequence, Sendable {
  public typealias Element = Chunk
  let command: RunningCommand
  let channel: Channel

  /// Stops the output: the command gets SIGPIPE when it writes to it.
  public func stop() async {
    let channel = channel
    await command.connection.with(command.stream) { $0.stop(channel) }
  }

  public func makeAsyncIterator() -> Iterator {
    Iterator(output: self, reader: OutputReader(self))
  }

  /// Reads the chunks of an output.
  public struct Iterator: AsyncIteratorProtocol {
    let output: CommandOutput
    let reader: OutputReader

    /// Returns the next chunk; nil at the end.
    ///
    /// - Throws: `ClientError` if the connection is lost or the command failed on this side.
    public func next() async throws -> Chunk? {
      try await output.command.connection.next(output.command.stream, output.channel)
    }
  }
}

/// The standard input of a running command.
public struct CommandInput: Sendable {
  let command: RunningCommand

  /// Sends a chunk and waits until the command has room for it.
  ///
  /// - Throws: `ClientError`: `inputClosed` if the command has ended or reads no more input, or if
  ///   the connection is lost; `closed` after the closure of `Connection.run` has returned.
  public func write(_ chunk: Chunk) async throws {
    try await command.connection.write(command.stream, chunk)
  }

  /// Sends bytes and waits until the command has room for them.
  ///
  /// - Throws: as `write(_:)` of a chunk.
  public func write(_ bytes: [UInt8]) async throws {
    try await write(Chunk(bytes))
  }

  /// Ends the input: the command reads end-of-file.
  public func finish() async {
    await command.connection.with(command.stream) { $0.finishInput() }
  }
}

extension Connection {
  /// Calls `body` with the command of `stream`; returns nil if it was forgotten.
  @discardableResult
  func with<Value>(_ stream: StreamID, _ body: (ClientCommand) -> Value) -> Value? {
    session.command(stream).map(body)
  }

  func result(_ stream: StreamID) async throws -> CommandResult {
    guard let command = session.command(stream) else { throw Self.forgotten }
    return try await command.result()
  }

  func next(_ stream: StreamID, _ channel: Channel) async throws -> Chunk? {
    guard let command = session.command(stream) else { throw Self.forgotten }
    return try await command.next(channel)
  }

  func write(_ stream: StreamID, _ chunk: Chunk) async throws {
    guard let command = session.command(stream) else { throw Self.forgotten }
    try await command.write(chunk)
  }

  /// Forgets a command at the end of its scope.
  ///
  /// - Returns: the status of its result, if that is known.
  @discardableResult
  func forget(_ stream: StreamID) -> CommandResult.Status? {
    defer { session.forget(stream) }
    return try? session.command(stream)?.outcome?.get().status
  }

  private static var forgotten: ClientError {
    ClientError(.closed, "a command can be used only inside the closure of its run")
  }
}
