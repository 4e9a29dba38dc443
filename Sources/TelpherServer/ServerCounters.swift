internal import Synchronization
internal import TelpherLink

/// What is counted over all loops of a server, to keep its limits and to tell in `info`.
final class ServerCounters: Sendable {
  let connections = Atomic<Int>(0)
  let running = Atomic<Int>(0)
  let started = Atomic<UInt64>(0)

  /// Bytes of long OPENs that are arriving.
  let openBytes = Atomic<Int>(0)
  /// Bytes of OPENs whose commands are being launched.
  let launchBytes = Atomic<Int>(0)

  /// Adds `amount` to `counter` unless it would pass `limit`.
  ///
  /// - Returns: whether it was added.
  static func book(
    _ counter: borrowing Atomic<Int>, _ amount: Int = 1, limit: Int
  ) -> Bool {
    guard counter.add(amount, ordering: .relaxed).newValue <= limit else {
      counter.subtract(amount, ordering: .relaxed)
      return false
    }
    return true
  }
}

/// The server's room for long OPENs.
struct ServerOpenRoom: OpenRoom {
  let counters: ServerCounters
  let limit: Int

  func take(_ bytes: Int) -> Bool {
    ServerCounters.book(counters.openBytes, bytes, limit: limit)
  }

  func giveBack(_ bytes: Int) { counters.openBytes.subtract(bytes, ordering: .relaxed) }
}
