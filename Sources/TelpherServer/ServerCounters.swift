internal import Synchronization

/// What is counted over all loops of a server, to keep its limits and to tell in `info`.
final class ServerCounters: Sendable {
  let connections = Atomic<Int>(0)
  let running = Atomic<Int>(0)
  let started = Atomic<UInt64>(0)

  /// Adds one to `counter` unless it stands at `limit`.
  ///
  /// - Returns: whether it was added.
  static func book(_ counter: borrowing Atomic<Int>, limit: Int) -> Bool {
    guard counter.add(1, ordering: .relaxed).newValue <= limit else {
      counter.subtract(1, ordering: .relaxed)
      return false
    }
    return true
  }
}
