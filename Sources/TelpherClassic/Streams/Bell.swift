/// What a task on a loop waits at until a callback there has something for it. For one waiter.
///
/// It remembers that it was rung: on its way into the wait a task may leave the loop's thread for a
/// moment, and callbacks come meanwhile. So a wait may also end for nothing, and whoever waits looks
/// again at what it waits for.
final class Bell {
  private var wasRung = false
  private var waiter: CheckedContinuation<Void, Never>?

  /// Ends the wait that is on, or else the next one.
  func ring() {
    guard let waiter else {
      wasRung = true
      return
    }
    self.waiter = nil
    waiter.resume()
  }

  /// Returns once it has been rung.
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
