/// A task that waits for a value or an error. It must be resumed exactly once, from any thread.
struct WaitingTask<Value>: Sendable {
  fileprivate let continuation: CheckedContinuation<Result<Value, any Error>, Never>

  /// Ends the wait with a value or an error.
  func resume(with result: sending Result<Value, any Error>) {
    continuation.resume(returning: result)
  }

  /// Ends the wait with a value.
  func resume(returning value: sending Value) { resume(with: .success(value)) }

  /// Ends the wait with an error.
  func resume(throwing error: any Error) { resume(with: .failure(error)) }
}

extension WaitingTask<Void> {
  /// Ends the wait.
  func resume() { resume(returning: ()) }
}

/// Calls `body` with the current task, and waits until `body` or later code resumes it.
///
/// Use it instead of `withCheckedThrowingContinuation`. If that function throws, Swift 6.3 does not
/// return to the caller's actor in optimized builds: the code after the error, such as a `defer`,
/// runs on another thread.
///
/// - Returns: the value that the task was resumed with.
/// - Throws: the error that the task was resumed with.
func withWaitingTask<Value>(
  _ body: (WaitingTask<Value>) -> Void
) async throws -> sending Value {
  try await withCheckedContinuation { body(WaitingTask(continuation: $0)) }.get()
}
