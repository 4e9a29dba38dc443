/// A UDP port of a host. It is a separate type from `SocketAddress` because UDP has no connections.
public struct DatagramAddress: Sendable, Hashable {
  /// A numeric address, or `localhost`.
  package var host: String
  /// The port; 0 requests a free one.
  package var port: UInt16

  /// An address with that host and port.
  package init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// Parses `udp:HOST:PORT`, with an IPv6 host in brackets.
  ///
  /// - Throws: `TransportError` (`badAddress`) with the expected form.
  package init(parsing text: String) throws(TransportError) {
    guard text.hasPrefix("udp:") else {
      throw TransportError(.badAddress, "'\(text)' is not an address: write udp:HOST:PORT")
    }
    do {
      (host, port) = try HostAndPort.parse(text.dropFirst("udp:".count))
    } catch {
      throw TransportError(.badAddress, "'\(text)' \(error.fault): write udp:HOST:PORT")
    }
  }
}

extension DatagramAddress: CustomStringConvertible {
  /// `udp:HOST:PORT`, an IPv6 host in brackets.
  public var description: String { "udp:\(HostAndPort.text(host, port))" }
}
