internal import Synchronization

/// One socket's place within the limits of the server and of its connection. It is free again when
/// the last reference to it is gone.
final class SocketSlot: Sendable {
  private let counters: ServerCounters
  private let own: SocketCount

  private init(_ counters: ServerCounters, _ own: SocketCount) {
    self.counters = counters
    self.own = own
  }

  deinit {
    counters.sockets.subtract(1, ordering: .relaxed)
    own.value.subtract(1, ordering: .relaxed)
  }

  /// Takes a place on a connection that has taken `own` places.
  ///
  /// - Throws: `SocketRefusal` if a limit is reached.
  static func take(
    _ counters: ServerCounters, _ own: SocketCount, _ limits: SocketLimits
  ) throws(SocketRefusal) -> SocketSlot {
    guard ServerCounters.book(own.value, limit: limits.maxSocketsPerConnection) else {
      throw SocketRefusal(
        "\(limits.maxSocketsPerConnection) sockets are open on this connection (max_sockets_per_connection): try again"
      )
    }
    guard ServerCounters.book(counters.sockets, limit: limits.maxSockets) else {
      own.value.subtract(1, ordering: .relaxed)
      throw SocketRefusal(
        "\(limits.maxSockets) sockets are open on this server (max_sockets): try again")
    }
    return SocketSlot(counters, own)
  }
}

/// The number of sockets of one connection.
final class SocketCount: Sendable {
  let value = Atomic<Int>(0)
}

/// Why a request about sockets is refused.
struct SocketRefusal: Error {
  let message: String
  init(_ message: String) { self.message = message }
}
