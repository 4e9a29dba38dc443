internal import Glibc
internal import TelpherTransport

/// One end of a stream, before it belongs to a loop.
struct MemoryEndpoint: Sendable {
  /// What this end reads from; nil where it only writes.
  var incoming: MemoryPipe?
  /// What this end writes to; nil where it only reads.
  var outgoing: MemoryPipe?
  /// Who is at the other end.
  var peer: PeerIdentity

  /// The two ends of a connection to `address`: the connector's first. The other one says that
  /// `connector` is its peer (nil: what a real system would say).
  static func pair(
    to address: SocketAddress, capacity: Int, connectorIs connector: PeerIdentity?
  ) -> (MemoryEndpoint, MemoryEndpoint) {
    let peer: PeerIdentity =
      switch address.key {
      case .unix: .user(uid: getuid(), pid: getpid())
      case .tcp(let host, _):
        .network(address: host, isLoopback: host == "::1" || host.hasPrefix("127."))
      }
    let up = MemoryPipe(capacity: capacity)
    let down = MemoryPipe(capacity: capacity)
    return (
      MemoryEndpoint(incoming: down, outgoing: up, peer: peer),
      MemoryEndpoint(incoming: up, outgoing: down, peer: connector ?? peer)
    )
  }
}
