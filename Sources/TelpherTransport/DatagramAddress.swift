/// A UDP port of a host. A type of its own, beside `SocketAddress`: nobody connects to it.
public struct DatagramAddress: Sendable, Hashable {
  /// A numeric address, or `localhost`.
  public var host: String
  /// The port; 0 asks for a free one.
  public var port: UInt16

  /// A port of a host.
  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// Reads `udp:HOST:PORT`, an IPv6 host in brackets.
  ///
  /// - Throws: `TransportError` (`badAddress`) that says what is expected.
  public init(parsing text: String) throws(TransportError) {
    guard text.hasPrefix("udp:") else {
      throw TransportError(.badAddress, "'\(text)' is no address: write udp:HOST:PORT")
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
