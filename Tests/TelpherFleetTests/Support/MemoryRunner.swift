import Synchronization
import TelpherClient
import TelpherTransport

@testable import TelpherFleet

/// Commands in memory, which continue after their worker. Each ends when a test says so.
final class MemoryRunner: JobRunner {
  struct State {
    var starts: [JobID: Int] = [:]
    var commands: [JobID: Command] = [:]
    var outcomes: [JobID: RunOutcome] = [:]
    /// Why commands can't be started at present; nil if they can.
    var fault: String?
    /// How commands end at once; nil if they wait for `end`.
    var immediate: RunOutcome? = .ended(JobEnd(.exited, code: 0, startedMS: 1, endedMS: 2))
  }

  let state = Mutex(State())
  private static let pause = Duration.milliseconds(2)

  /// Looks at the state, or changes it.
  func with<Value: Sendable>(_ body: (inout sending State) -> sending Value) -> Value {
    state.withLock(body)
  }

  func launch(_ command: Command, as run: JobID) async throws -> RunOutcome {
    let fault = state.withLock { state -> String? in
      guard state.commands[run] == nil else { return nil }
      if let fault = state.fault { return fault }
      state.commands[run] = command
      state.starts[run, default: 0] += 1
      if let immediate = state.immediate { state.outcomes[run] = immediate }
      return nil
    }
    if let fault { return .notStarted(fault) }
    return try await reattach(to: run)
  }

  func reattach(to run: JobID) async throws -> RunOutcome {
    while true {
      let (isKnown, outcome) = state.withLock { ($0.commands[run] != nil, $0.outcomes[run]) }
      guard isKnown else { return .unknown("no such job") }
      if let outcome { return outcome }
      try await Task.sleep(for: Self.pause)
    }
  }

  func cancel(_ run: JobID) async -> Bool {
    state.withLock { state in
      guard state.commands[run] != nil, state.outcomes[run] == nil else { return false }
      state.outcomes[run] = .ended(JobEnd(.canceled, startedMS: 1, endedMS: 2))
      return true
    }
  }

  func end(_ run: JobID, _ outcome: RunOutcome) { state.withLock { $0.outcomes[run] = outcome } }
}
