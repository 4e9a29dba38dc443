internal import TelpherClient
internal import TelpherHosts

/// Runs a command on each host.
struct CommandWork: HostWork {
  let command: Command
  /// The standard input for every host; nil if the command gets none.
  let input: BroadcastInput?
  let output: FanOutOutput

  func perform(_ host: Int, on connection: Connection) async throws -> HostState {
    var outcome: Result<CommandResult, any Error>
    do {
      let run = try await connection.run(command, hasInput: input != nil) { handle in
        try await connect(host, handle)
      }
      outcome = .success(run.result)
    } catch {
      outcome = .failure(error)
    }
    do {
      try await output.finish(host)
    } catch  where (try? outcome.get()) != nil {
      outcome = .failure(error)
    } catch {
      // The first failure is reported.
    }
    await output.keep(outcome.mapError { Failure($0) }, of: host)
    return .done(Self.result(try outcome.get()))
  }

  func didSettle(_ host: Int, _ state: HostState) async { await output.didSettle(host, state) }

  /// Reads both outputs and writes the input until the command has ended.
  private func connect(_ host: Int, _ handle: RunningCommand) async throws {
    if let input { Task(executorPreference: handle.loop) { await input.send(to: handle) } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await pass(handle.output, host, .output) }
      group.addTask { try await pass(handle.error, host, .error) }
      group.addTask { _ = try await handle.result() }
      do {
        while try await group.next() != nil {}
      } catch {
        await handle.cancel()
        for output in [handle.output, handle.error] { await output.stop() }
        throw error
      }
    }
  }

  private func pass(
    _ source: CommandOutput, _ host: Int, _ channel: FanOutPrinter.Channel
  ) async throws {
    for try await chunk in source { try await output.add(chunk, of: host, channel) }
  }

  /// What the result means for the fan-out.
  static func result(_ result: CommandResult) -> HostResult {
    let outcome = Result<CommandResult, Failure>.success(result)
    let status = ExitStatus.status(for: outcome)
    let message = result.details.message
    switch result.status {
    case .exited(let code) where result.details.cause == nil:
      return HostResult(status: code, text: "exited with \(code)", isComplete: true)
    case .signaled(let signal) where result.details.cause == nil:
      return HostResult(status: status, text: "ended by signal \(signal)", isComplete: true)
    case .exited, .signaled:
      return HostResult(status: status, text: message ?? "ended by a limit", isComplete: true)
    case .timedOut:
      return HostResult(status: status, text: message ?? "ended at its timeout", isComplete: false)
    case .canceled:
      return HostResult(
        status: status, text: message ?? "the server ended the command", isComplete: false)
    case .notStarted(_, _, let reason):
      return HostResult(status: status, text: reason, isComplete: false)
    case .detached: preconditionFailure("a command without a job is not detached")
    }
  }
}
