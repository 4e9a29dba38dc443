package import TelpherTransport

extension ByteStream {
  /// The peer for the user: of a TCP connection its address with the port.
  package var peerText: String {
    guard let ports = tcpPorts, case .network(let host, _) = peer else { return "\(peer)" }
    return "\(SocketAddress.tcp(host: host, port: ports.peer))"
  }
}
