import TelpherTransport
import Testing

/// Notifies tests on a loop of events, so that they check their conditions again.
final class Events {
  let loop: any EventLoop
  private var kept: [AnyObject] = []
  private var waiters: [CheckedContinuation<Void, Never>] = []

  init(_ loop: any EventLoop) {
    self.loop = loop
  }

  /// Retains the objects that handles call back.
  func keep(_ object: AnyObject) {
    kept.append(object)
  }

  /// Notifies all waiting tests of an event.
  func happened() {
    let waiters = waiters
    self.waiters = []
    for waiter in waiters { waiter.resume() }
  }

  /// Returns once `condition` is true; it is checked after each event. After five minutes it
  /// records an issue and throws.
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
        // Checked again, because the task may have left the thread before this point.
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

/// The condition that a test waited for did not become true.
struct NeverHappened: Error {
  let what: String
}
