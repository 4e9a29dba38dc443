internal import TelpherClient
internal import TelpherTransport

/// Runs one command, connected to this process's standard streams and signals.
struct CommandRun {
  let command: Command
  let forwardsInput: Bool
  /// The user's terminal, if the command runs on one.
  var terminal: TerminalRun?
  let output: any OutputSink
  let error: any OutputSink
  /// Ends this process because of a signal.
  let giveUp: @Sendable (Int32, ForwardedSignals.Reason) -> Never

  /// Runs the command, and forwards input, output and signals until it has ended.
  ///
  /// - Returns: the result of the command.
  /// - Throws: `ClientError`, `Failure`.
  @concurrent
  func perform(on connection: Connection) async throws -> CommandResult {
    let signals = ForwardedSignals.watch(
      on: connection.loop,
      hasAnswered: { connection.assumeIsolated { $0.hasServerAnswered } },
      hasTerminal: terminal != nil, orGiveUp: giveUp)
    var command = command
    if let terminal {
      // Before the server answers, Ctrl-C still ends this process.
      _ = try await connection.serverHello()
      terminal.prepare(&command, on: connection.loop)
      try terminal.terminal.enterRawMode()
    }
    defer { if terminal != nil { LocalTerminal.leaveRawMode() } }
    let hasInput = forwardsInput || terminal != nil
    return try await connection.run(command, hasInput: hasInput) { handle in
      if hasInput { forwardInput(to: handle) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await signals.forward(to: handle) }
        if let terminal { group.addTask { await terminal.follow(handle) } }
        for work in work(of: handle) { group.addTask { try await work() } }
        do {
          for _ in work(of: handle) { _ = try await group.next() }
        } catch {
          // The other tasks wait for the command, and the command waits until its output is read.
          await handle.cancel()
          for output in [handle.output, handle.error] { await output.stop() }
          throw error
        }
        // The tasks that forward signals end only when they are canceled.
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
        if let terminal {
          try await terminal.forwardKeys(to: handle)
        } else {
          try await InputSource().forward(to: handle.input)
        }
      } catch {
        Descriptor.complain(Failure(error).message)
        await handle.cancel()
      }
    }
  }
}
