extension Connection {
  /// What is done with an output of a command.
  public enum OutputPolicy: Sendable, Equatable {
    /// It is read piece by piece, through `RunningCommand.output` or `.error`.
    case stream
    /// It is counted and dropped.
    case discard
  }

  /// Runs a command and collects its output.
  ///
  /// Canceling the task cancels the command, with all its children.
  ///
  /// - Parameters:
  ///   - input: its standard input; none where nil.
  ///   - limit: the most bytes to keep of each output.
  /// - Throws: `ClientError`: `lost` where the connection broke before the result was told, `refused`
  ///   where nothing was run, `outputLimit`; `CancellationError`.
  public nonisolated func run(_ command: Command, input: [UInt8]? = nil, limit: Int = 16 << 20)
    async throws -> CollectedResult
  {
    let handle = try await start(
      command, hasInput: input != nil, output: .collect(limit: limit), error: .collect(limit: limit)
    )
    return try await handle.inScope {
      if let input {
        // A command that doesn't read its input to the end is its own affair, as in a shell.
        do { try await handle.input.write(input) } catch let error as ClientError
          where error.code == .inputClosed
        {}
        await handle.input.finish()
      }
      let result = try await handle.result()
      let (output, error) = await handle.collected()
      return CollectedResult(result: result, output: output, error: error)
    }
  }

  /// Runs a command and lets `body` read its output and write its input while it runs.
  ///
  /// When `body` returns, the input is ended, and the command's end is awaited. An output that
  /// `body` began to read and left is stopped, as when a shell's pipe is closed: the command gets
  /// SIGPIPE when it writes there. One that it never read is dropped. When `body` throws, the
  /// command is canceled. Canceling the task cancels the command, with all its children.
  ///
  /// One task may read both outputs one after the other: the other is kept meanwhile, up to 64 MiB.
  ///
  /// - Parameters:
  ///   - hasInput: whether the command gets a pipe for its standard input, or nothing.
  /// - Returns: what `body` returned, and how the command ended.
  /// - Throws: what `body` throws; `ClientError` as `run(_:input:limit:)`; `CancellationError`.
  public nonisolated func run<Value>(
    _ command: Command, hasInput: Bool = false, output: OutputPolicy = .stream,
    error: OutputPolicy = .stream, _ body: (RunningCommand) async throws -> Value
  ) async throws -> (value: Value, result: CommandResult) {
    let handle = try await start(
      command, hasInput: hasInput, output: output == .stream ? .stream : .discard,
      error: error == .stream ? .stream : .discard)
    return try await handle.inScope {
      let value: Value
      do {
        value = try await body(handle)
      } catch {
        await handle.abandon()
        // Nothing of the command is left behind; how it ended does not matter any more.
        _ = try? await handle.result()
        throw error
      }
      await handle.input.finish()
      await handle.finishReading()
      return (value, try await handle.result())
    }
  }

  private func start(
    _ command: Command, hasInput: Bool, output: OutputQueue.Policy, error: OutputQueue.Policy
  ) throws -> RunningCommand {
    let command = try session.start(command, hasInput: hasInput, output: output, error: error)
    return RunningCommand(connection: self, stream: command.stream, readers: command.readers)
  }
}
