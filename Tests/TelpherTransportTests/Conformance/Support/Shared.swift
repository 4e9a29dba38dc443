import Synchronization

/// A value that callbacks on several threads share.
final class Shared<Value: Sendable>: Sendable {
  private let value: Mutex<Value>

  init(_ value: Value) {
    self.value = Mutex(value)
  }

  func withLock<R: Sendable>(_ body: (inout Value) -> R) -> R {
    value.withLock { value in
      // Copied out and in: `Mutex` requires that no part of the value leaves with the result.
      var copy = value
      defer { value = copy }
      return body(&copy)
    }
  }
}
