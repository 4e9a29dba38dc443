/// How a stream ended, for the tasks that wait for it. Use it only on the loop's thread.
final class StreamOutcome<Value: Sendable> {
  /// The result, or the error that ended the stream; nil while it is open.
  private(set) var result: Result<Value, ClientError>?
  private var waiters: [WaitingTask<Value>] = []

  /// Sets the result, which is not set yet, and wakes the waiting tasks.
  func finish(_ result: Result<Value, ClientError>) {
    precondition(self.result == nil, "a stream ends once")
    self.result = result
    let waiting = waiters
    waiters = []
    waiting.forEach { $0.resume(with: result.mapError { $0 }) }
  }

  /// Waits for the result.
  func value() async throws -> Value {
    if let result { return try result.get() }
    return try await withWaitingTask { continuation in
      // Check again: a task that does not prefer the loop as its executor may get here one turn of
      // the loop later.
      if let result {
        continuation.resume(with: result.mapError { $0 })
      } else {
        waiters.append(continuation)
      }
    }
  }
}
