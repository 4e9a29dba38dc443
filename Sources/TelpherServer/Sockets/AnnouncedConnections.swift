internal import TelpherWire

/// The connections that a listening socket in another process has announced to its client, which has not
/// taken them.
struct AnnouncedConnections {
  /// The socket.
  let announcer: Announcer
  /// The most names: that process has no more connections that wait.
  private let most: Int
  /// The names of the connections, the oldest first. One that has waited for too long stays here until
  /// newer ones need its place.
  private var names: [String] = []

  /// - Parameter limits: those of the process.
  init(by announcer: Announcer, _ limits: SocketLimits) {
    self.announcer = announcer
    most = limits.maxUnclaimed
  }

  /// Notes what the process reports to the client.
  mutating func note(_ message: [UInt8]) {
    for case .accepted(let accepted) in (try? ControlMessage.decode(message)) ?? [] {
      if names.count >= most { names.removeFirst() }
      names.append(accepted.connection)
    }
  }

  /// Whether the connection of this name is one of them.
  func contains(_ name: String) -> Bool { names.contains(name) }
}
