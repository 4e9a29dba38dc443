import TelpherTransport
import Testing

/// Tells tests on a loop that something happened, so that they look again at what they wait for.
final class Events {
  let loop: any EventLoop
  private var kept: [AnyObject] = []
  private var waiters: [CheckedContinuation<Void, Never>] = []

  init(_ loop: any EventLoop) {
    self.loop = loop
  }

  /// Keeps what handles call back for as long as they may.
  func keep(_ object: AnyObject) {
    kept.append(object)
  }

  /// Something did.
  func happened() {
    let waiters = waiters
    self.waiters = []
    for waiter in waiters { waiter.resume() }
  }

  /// Returns once `condition` holds; it is looked at after each event. Far too late, it is recorded
  /// as an issue and thrown.
  func until(
    _ what: String, at location: SourceLocation = #_sourceLocation, _ condition: () -> Bool
  ) async throws {
    let deadline = Deadline()
    let timer = loop.schedule(after: 300_000_000_000) {
      deadline.hasPassed = true
      self.happened()
    }
    defer { timer.cancel() }
    while !condition() {
      if deadline.hasPassed {
        Issue.record("never happened: \(what)", sourceLocation: location)
        throw NeverHappened(what: what)
      }
      await withCheckedContinuation { continuation in
        // Looked at once more: on the way in here the task may have left the thread for a while.
        if condition() || deadline.hasPassed {
          continuation.resume()
        } else {
          waiters.append(continuation)
        }
      }
    }
  }

  private final class Deadline {
    var hasPassed = false
  }
}

/// What a test waited for did not happen.
struct NeverHappened: Error {
  let what: String
}
