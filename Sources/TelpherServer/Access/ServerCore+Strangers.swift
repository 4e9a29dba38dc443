internal import Logging
internal import Synchronization
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

// The limits of connections that have not authenticated yet.
extension ServerCore {
  /// Counts a stranger for the pace of an entrance.
  func count(strangerAt entrance: Entrance) {
    if let pause = entrance.pace.admit(at: loop.now) { entrance.listener?.pause(for: pause) }
  }

  /// Gives a stranger a place.
  ///
  /// - Returns: the stranger that must be evicted for it, if any.
  func place(
    _ stranger: ObjectIdentifier, from source: String, at entrance: Entrance
  ) -> ObjectIdentifier? {
    strangers.admit(
      stranger, from: source, at: ObjectIdentifier(entrance),
      hasUnread: { [connections, arrivals] in
        connections[$0]?.link.hasUnreadBytes == true || arrivals[$0]?.hasUnreadBytes == true
      })
  }

  /// Ends a stranger that has lost its place to another one.
  func evict(_ evicted: ObjectIdentifier) {
    if let peer = connections[evicted]?.link.peer ?? arrivals[evicted]?.peer {
      refusals.record("refused a client", Refusal(peer: peer, why: "\(strangerLimitError)"))
    }
    connections[evicted]?.refuse(strangerLimitError)
    arrivals[evicted]?.end(.left)
  }

  /// Counts a stranger that has authenticated as a known connection.
  ///
  /// - Returns: false if `maxConnections` is reached.
  func countAuthenticated(_ connection: ServerConnection) -> Bool {
    strangers.remove(ObjectIdentifier(connection))
    connection.entrance?.pace.didAuthenticate()
    if case .network(let source, isLoopback: false) = connection.link.peer {
      counters.penalties.withLock { $0.forgive(source) }
    }
    let isBooked = ServerCounters.book(counters.connections, limit: configuration.maxConnections)
    if !isBooked {
      refusals.record(
        "refused a client",
        Refusal(
          peer: connection.link.peer, why: "\(connectionLimitError)",
          tried: connection.tried))
    }
    return isBooked
  }

  /// Removes a connection from the limit that it counts towards.
  func uncount(_ connection: ServerConnection) {
    switch connection.state.quota {
    case .strangers: strangers.remove(ObjectIdentifier(connection))
    case .connections: counters.connections.subtract(1, ordering: .relaxed)
    case .none: break
    }
  }

  /// The error for an authenticated client past `maxConnections`.
  var connectionLimitError: WireError {
    WireError(
      .limitReached,
      "the server has \(configuration.maxConnections) connections (max_connections): try again later"
    )
  }

  /// The error for a stranger that is evicted for a new one.
  private var strangerLimitError: WireError {
    WireError(
      .limitReached,
      "too many connections wait for authentication (max_strangers, max_strangers_per_source): try again"
    )
  }
}
