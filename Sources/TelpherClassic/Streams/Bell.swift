/// Wakes one task that waits on a loop when a callback on the loop has something for it.
///
/// A ring without a waiter is remembered, since a callback may run while the task is on its way
/// into `wait()`. So `wait()` may return without news: the task checks its condition again after
/// each wait.
final class Bell {
  private var wasRung = false
  private var waiter: CheckedContinuation<Void, Never>?

  /// Ends the current wait, or else the next one.
  func ring() {
    guard let waiter else {
      wasRung = true
      return
    }
    self.waiter = nil
    waiter.resume()
  }

  /// Returns after a ring.
  func wait() async {
    await withCheckedContinuation { continuation in
      if wasRung {
        wasRung = false
        continuation.resume()
      } else {
        precondition(waiter == nil, "a bell has one waiter")
        waiter = continuation
      }
    }
  }
}
