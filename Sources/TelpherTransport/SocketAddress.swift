/// The address where a server listens or to which a client connects.
public enum SocketAddress: Sendable, Hashable {
  /// A Unix socket, by its path.
  case unix(path: String)
  /// A TCP port of a host, which is a numeric address or `localhost`. Port 0 requests a free one.
  case tcp(host: String, port: UInt16)
}

extension SocketAddress: CustomStringConvertible {
  /// `unix:PATH` or `tcp:HOST:PORT`, an IPv6 host in brackets.
  public var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port): "tcp:\(HostAndPort.text(host, port))"
    }
  }
}

extension SocketAddress {
  /// Parses `unix:PATH` or `tcp:HOST:PORT`, with an IPv6 host in brackets.
  ///
  /// - Throws: `TransportError` (`badAddress`) with the expected form.
  public init(parsing text: String) throws(TransportError) {
    func bad(_ what: String) -> TransportError {
      TransportError(.badAddress, "'\(text)' \(what): write unix:PATH or tcp:HOST:PORT")
    }
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst("unix:".count))
      guard !path.isEmpty else { throw bad("has no path") }
      self = .unix(path: path)
    } else if text.hasPrefix("tcp:") {
      do throws(HostAndPort.Malformed) {
        let (host, port) = try HostAndPort.parse(text.dropFirst("tcp:".count))
        self = .tcp(host: host, port: port)
      } catch {
        throw bad(error.fault)
      }
    } else {
      throw bad("is not an address")
    }
  }
}
