internal import TelpherClient
internal import TelpherTransport

/// One command, connected to this process's standard streams and signals.
struct CommandRun {
  let command: Command
  let forwardsInput: Bool
  let output: any OutputSink
  let error: any OutputSink
  /// Ends this process at the second signal that asks for an end.
  let giveUp: @Sendable (Int32) -> Never

  /// Runs the command and passes everything on until it has ended.
  ///
  /// - Returns: how it ended.
  /// - Throws: `ClientError`, `Failure`.
  @concurrent
  func perform(on connection: Connection) async throws -> CommandResult {
    let signals = ForwardedSignals.watch(on: connection.loop, orGiveUp: giveUp)
    return try await connection.run(command, hasInput: forwardsInput) { handle in
      if forwardsInput { forwardInput(to: handle) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await signals.forward(to: handle) }
        for work in work(of: handle) { group.addTask { try await work() } }
        do {
          for _ in work(of: handle) { _ = try await group.next() }
        } catch {
          // The others wait for the command, which would wait for its outputs to be read.
          await handle.cancel()
          for output in [handle.output, handle.error] { await output.stop() }
          throw error
        }
        // The signals' task ends by being canceled.
        group.cancelAll()
      }
    }.result
  }

  /// What must be done before the command is over: its outputs may end long before it, which still
  /// reads its input then.
  private func work(of handle: RunningCommand) -> [@Sendable () async throws -> Void] {
    [
      { try await pass(handle.output, to: output) },
      { try await pass(handle.error, to: error) },
      { _ = try await handle.result() },
    ]
  }

  private func pass(_ output: CommandOutput, to sink: any OutputSink) async throws {
    for try await chunk in output where try await !sink.write(chunk) {
      // What still comes is dropped, and ends with the command, or with its SIGPIPE.
      await output.stop()
    }
  }

  /// Not awaited by anyone: a read from a terminal may never return, and the process does not wait
  /// for it when the command ends first.
  private func forwardInput(to handle: RunningCommand) {
    Task(executorPreference: handle.loop) {
      do {
        try await InputSource().forward(to: handle.input)
      } catch {
        Descriptor.complain(Failure(error).message)
        await handle.cancel()
      }
    }
  }
}
