internal import Synchronization

/// Counts from 1.
final class Counter: Sendable {
  private let last = Atomic<Int>(0)

  /// The next number.
  func next() -> Int { last.add(1, ordering: .relaxed).newValue }
}
