public import TelpherTransport

/// Connections that are accepted at one side, here or at the server, and continued at the other.
public struct Forwarding: Sendable, Equatable {
  /// The side that accepts.
  public enum Direction: Sendable {
    /// This machine accepts at `local`, and the server connects to `remote`.
    case toServer
    /// The server accepts at `remote`, and this machine connects to `local`.
    case fromServer
  }

  /// The address on this machine, or, for `fromServer`, one that it can reach.
  public var local: SocketAddress
  /// The address at the server, or, for `toServer`, one that it can reach. The path of a Unix socket
  /// is absolute.
  public var remote: SocketAddress
  /// The side that accepts.
  public var direction: Direction

  /// A forwarding. The accepting side takes a numeric host or `localhost`; the other side looks
  /// names up.
  public init(
    local: SocketAddress, remote: SocketAddress, direction: Direction = .toServer
  ) {
    self.local = local
    self.remote = remote
    self.direction = direction
  }
}

/// What happens to a forwarding.
public enum ForwardEvent: Sendable {
  /// The accepting side listens at this address, with its actual port.
  case listening(SocketAddress)
  /// A connection could not be continued or broke at the other side; it was reset. `peer` is the
  /// program that had connected. A connection that its own program reset is not reported.
  case failed(peer: String, ClientError)
}
