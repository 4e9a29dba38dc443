public import TelpherTransport
internal import TelpherWire

/// A command that runs, inside the scope of `Connection.run`. From any task of that scope.
public struct RunningCommand: Sendable {
  let connection: Connection
  let stream: StreamID
  let readers: OutputReaders

  /// The loop that its connection lives on.
  public var loop: any EventLoop { connection.loop }
  /// Its standard output, in pieces as they come. One task reads it.
  public var output: CommandOutput { CommandOutput(command: self, channel: .stdout) }
  /// Its standard error, in pieces as they come. One task reads it.
  public var error: CommandOutput { CommandOutput(command: self, channel: .stderr) }
  /// Its standard input.
  public var input: CommandInput { CommandInput(command: self) }

  /// Sends a signal to the command's process group, as a terminal would.
  public func signal(_ number: Int32) async {
    await connection.with(stream) { $0.signal(number) }
  }

  /// Ends the command with all its children: SIGTERM, the grace, SIGKILL. Its result is `canceled`.
  public func cancel() async {
    await connection.with(stream) { $0.cancel() }
  }

  /// Waits for the command's end. The outputs must be read, or dropped, for it to come.
  ///
  /// - Throws: `ClientError` where the result is not known.
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

  /// Runs `body`; the command is forgotten after it. Canceling the task cancels the command
  /// meanwhile, and is then what is thrown.
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

/// One output of a running command: its pieces as they come, ended by its end.
///
/// The loop throws `ClientError` where the connection breaks: an end without an error is the true
/// end of the output.
public struct CommandOutput: AsyncSequence, Sendable {
  public typealias Element = Chunk
  let command: RunningCommand
  let channel: Channel

  /// Stops the output: it is not wanted any more, and the command gets SIGPIPE when it writes to it.
  public func stop() async {
    let channel = channel
    await command.connection.with(command.stream) { $0.stop(channel) }
  }

  public func makeAsyncIterator() -> Iterator {
    Iterator(output: self, reader: OutputReader(self))
  }

  /// Reads the pieces.
  public struct Iterator: AsyncIteratorProtocol {
    let output: CommandOutput
    let reader: OutputReader

    /// The next piece; nil at the end.
    ///
    /// - Throws: `ClientError`.
    public func next() async throws -> Chunk? {
      try await output.command.connection.next(output.command.stream, output.channel)
    }
  }
}

/// The standard input of a running command.
public struct CommandInput: Sendable {
  let command: RunningCommand

  /// Sends a piece, once the command has room for it.
  ///
  /// - Throws: `ClientError`: `inputClosed` where the command reads no more; `lost`.
  public func write(_ chunk: Chunk) async throws {
    try await command.connection.write(command.stream, chunk)
  }

  /// Sends bytes, once the command has room for them.
  ///
  /// - Throws: as `write(_:)` of a chunk.
  public func write(_ bytes: [UInt8]) async throws {
    try await write(Chunk(bytes))
  }

  /// Ends the input: the command reads its end.
  public func finish() async {
    await command.connection.with(command.stream) { $0.finishInput() }
  }
}

extension Connection {
  /// Calls `body` with a command that is not forgotten yet.
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

  /// The scope of a command is over.
  ///
  /// - Returns: how it ended, if that is known.
  @discardableResult
  func forget(_ stream: StreamID) -> CommandResult.Status? {
    defer { session.forget(stream) }
    return try? session.command(stream)?.outcome?.get().status
  }

  private static var forgotten: ClientError {
    ClientError(.closed, "a command is used only within the scope of its run")
  }
}
