internal import TelpherClient
internal import TelpherTransport

/// Runs one command, connected to this process's standard streams and signals.
struct CommandRun {
  let command: Command
  let forwardsInput: Bool
  let output: any OutputSink
  let error: any OutputSink
  /// Ends this process; called with the second terminating signal, or with the first if the server
  /// has not answered.
  let giveUp: @Sendable (Int32, _ hasAnswered: Bool) -> Never

  /// Runs the command, and forwards input, output and signals until it has ended.
  ///
  /// - Returns: the result of the command.
  /// - Throws: `ClientError`, `Failure`.
  @concurrent
  func perform(on connection: Connection) async throws -> CommandResult {
    let signals = ForwardedSignals.watch(
      on: connection.loop,
      hasAnswered: { connection.assumeIsolated { $0.hasServerAnswered } }, orGiveUp: giveUp)
    return try await connection.run(command, hasInput: forwardsInput) { handle in
      if forwardsInput { forwardInput(to: handle) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await signals.forward(to: handle) }
        for work in work(of: handle) { group.addTask { try await work() } }
        do {
          for _ in work(of: handle) { _ = try await group.next() }
        } catch {
          // The other tasks wait for the command, and the command waits until its output is read.
          await handle.cancel()
          for output in [handle.output, handle.error] { await output.stop() }
          throw error
        }
        // The task that forwards signals ends only when it is canceled.
        group.cancelAll()
      }
    }.result
  }

  /// The tasks to wait for: both outputs and the result. The outputs may end long before the
  /// command, which may still read input then.
  private func work(of handle: RunningCommand) -> [@Sendable () async throws -> Void] {
    [
      { try await pass(handle.output, to: output) },
      { try await pass(handle.error, to: error) },
      { _ = try await handle.result() },
    ]
  }

  private func pass(_ output: CommandOutput, to sink: any OutputSink) async throws {
    for try await chunk in output where try await !sink.write(chunk) {
      // The sink takes no more: further output is dropped.
      await output.stop()
    }
  }

  /// Starts a task that forwards standard input. The task is not awaited: a read from a terminal
  /// may never return, and the process must end when the command does.
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
