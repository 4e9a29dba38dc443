internal import Glibc
internal import TelpherTransport

/// One end of a stream that no loop has taken yet.
struct MemoryEndpoint: Sendable {
  /// The pipe that this end reads; nil if it only writes.
  var incoming: MemoryPipe?
  /// The pipe that this end writes; nil if it only reads.
  var outgoing: MemoryPipe?
  /// The identity of the peer.
  var peer: PeerIdentity
  /// Whether it is an end of a TCP connection.
  var isTCP = false

  /// Creates the two ends of a connection to `address`, the connector's first. `connector` is the
  /// identity that the other end sees (nil: the one that a real system would report).
  static func pair(
    to address: SocketAddress, capacity: Int, connectorIs connector: PeerIdentity?
  ) -> (MemoryEndpoint, MemoryEndpoint) {
    let peer: PeerIdentity =
      switch address.key {
      case .unix: .user(uid: getuid(), pid: getpid())
      case .tcp(let host, _):
        .network(address: host, isLoopback: host == "::1" || host.hasPrefix("127."))
      case .vsock(let machine, _): .vsock(.local, reached: machine)
      }
    let isTCP = if case .tcp = address { true } else { false }
    let up = MemoryPipe(capacity: capacity)
    let down = MemoryPipe(capacity: capacity)
    return (
      MemoryEndpoint(incoming: down, outgoing: up, peer: peer, isTCP: isTCP),
      MemoryEndpoint(incoming: up, outgoing: down, peer: connector ?? peer, isTCP: isTCP)
    )
  }
}
