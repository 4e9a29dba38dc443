internal import TelpherFileStore
internal import TelpherTransport

/// An answer of the server that workers of a transfer wait for, while the transfer goes on.
final class AwaitedAnswer<Value: Sendable>: Sendable {
  private enum State {
    /// It has not come. Next: `known` or `failed`.
    case awaited
    /// The answer. Final.
    case known(Value)
    /// There will be none, for this reason. Final.
    case failed(FileError)
  }

  private let state = Monitor(State.awaited)

  /// Gets the answer from `ask`.
  ///
  /// - Throws: what `ask` throws.
  func set(by ask: () async throws -> Value) async throws -> Value {
    do {
      let value = try await ask()
      settle(.known(value))
      return value
    } catch {
      settle(.failed(error as? FileError ?? FileError(.canceled, "the server did not answer")))
      throw error
    }
  }

  private func settle(_ result: sending State) {
    state.withLock { $0 = result }
    state.signal()
  }

  /// Waits for the answer. Blocks, so only workers call it.
  ///
  /// - Throws: `FileError` if there is none.
  func wait() throws(FileError) -> Value {
    let result = state.wait(until: nil) { state in
      if case .awaited = state { true } else { false }
    } then: { state in
      state
    }
    // Each worker wakes the next one.
    state.signal()
    switch result {
    case .known(let value): return value
    case .failed(let reason): throw reason
    case .awaited: preconditionFailure("the wait ends after the answer")
    }
  }
}
