internal import Synchronization
internal import TelpherLink
internal import TelpherTransport

/// Counters that all loops of a server share, for its limits and for the answer to `info`.
final class ServerCounters: Sendable {
  let connections = Atomic<Int>(0)
  let started = Atomic<UInt64>(0)
  /// The number of the last connection, for records.
  let lastConnection = Atomic<UInt64>(0)
  /// Sockets that clients have opened.
  let sockets = Atomic<Int>(0)
  /// Penalties of addresses whose TLS connections have not authenticated.
  let penalties = Monitor(SourcePenalties())

  /// Bytes of OPEN frames longer than 64 KiB that are arriving.
  let openBytes = Atomic<Int>(0)
  /// Bytes of OPEN frames whose commands are being launched.
  let launchBytes = Atomic<Int>(0)

  /// Adds `amount` to `counter` unless the sum would exceed `limit`.
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

/// Limits the bytes of long OPEN frames that arrive at once in the whole server.
struct ServerOpenRoom: OpenRoom {
  let counters: ServerCounters
  let limit: Int

  func take(_ bytes: Int) -> Bool {
    ServerCounters.book(counters.openBytes, bytes, limit: limit)
  }

  func giveBack(_ bytes: Int) { counters.openBytes.subtract(bytes, ordering: .relaxed) }
}
