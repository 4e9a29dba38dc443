extension Connection {
  /// What the client does with an output of a command.
  public enum OutputPolicy: Sendable, Equatable {
    /// Keep it for a reader of `RunningCommand.output` or `.error`.
    case stream
    /// Count its bytes and drop them.
    case discard
  }

  /// Runs a command and collects its output.
  ///
  /// Canceling the task cancels the command and all its children.
  ///
  /// - Parameters:
  ///   - input: the bytes of standard input; if nil, standard input is /dev/null.
  ///   - limit: the most bytes of each output; a command that writes more is canceled.
  /// - Throws: `ClientError`: `lost` if the connection was lost before the result arrived,
  ///   `refused` if nothing was run, `outputLimit` if an output is longer than `limit`;
  ///   `CancellationError`.
  public nonisolated func run(_ command: Command, input: [UInt8]? = nil, limit: Int = 16 << 20)
    async throws -> CollectedResult
  {
    let handle = try await start(
      command, hasInput: input != nil, output: .collect(limit: limit), error: .collect(limit: limit)
    )
    return try await handle.inScope {
      if let input {
        // As in a shell, it is no error if a command does not read all its input.
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
  /// When `body` returns, this method ends the input and waits for the command to end. It stops an
  /// output that `body` has read only in part, like a closed pipe in a shell: the command gets
  /// SIGPIPE when it writes to it. It drops an output that `body` never read. If `body` throws, the
  /// command is canceled. Canceling the task cancels the command and all its children.
  ///
  /// One task may read the two outputs one after the other. Up to 64 MiB of the other output are
  /// kept in the meantime.
  ///
  /// - Parameters:
  ///   - hasInput: whether standard input is a pipe; if false, it is /dev/null.
  /// - Returns: the value of `body`, and the result of the command.
  /// - Throws: the error of `body`; `ClientError` as `run(_:input:limit:)`; `CancellationError`.
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
        // Wait until the command has ended; its result does not matter any more.
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
