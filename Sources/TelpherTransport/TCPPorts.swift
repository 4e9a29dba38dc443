/// The two ports of a TCP connection.
public struct TCPPorts: Sendable, Hashable {
  /// The port at this end.
  public var own: UInt16
  /// The port at the peer's end.
  public var peer: UInt16

  /// A pair of ports.
  public init(own: UInt16, peer: UInt16) {
    self.own = own
    self.peer = peer
  }
}

extension ByteStream {
  /// Nil: most streams are not TCP connections.
  public var tcpPorts: TCPPorts? { nil }

  /// Does nothing: most streams are not TCP connections.
  public func setResetsOnClose(_ resets: Bool) {}
}
