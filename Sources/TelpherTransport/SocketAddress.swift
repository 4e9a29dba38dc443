/// The address where a server listens or to which a client connects.
public enum SocketAddress: Sendable, Hashable {
  /// A Unix socket, by its path.
  case unix(path: String)
  /// A TCP port of a host, which is a numeric address or `localhost`. Port 0 requests a free one.
  case tcp(host: String, port: UInt16)
  /// A vsock port of a virtual machine or of its host. Port 0 requests a free one.
  case vsock(VsockMachine, port: UInt32)
}

extension SocketAddress: CustomStringConvertible {
  /// `unix:PATH`, `tcp:HOST:PORT` with an IPv6 host in brackets, or `vsock:CID:PORT`.
  public var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port): "tcp:\(HostAndPort.text(host, port))"
    case .vsock(let machine, let port): "vsock:\(machine):\(port)"
    }
  }
}

extension SocketAddress {
  /// Parses `unix:PATH`, `tcp:HOST:PORT` with an IPv6 host in brackets, or `vsock:CID:PORT`.
  ///
  /// - Throws: `TransportError` (`badAddress`) with the expected form.
  public init(parsing text: String) throws(TransportError) {
    func bad(_ what: String) -> TransportError {
      TransportError(
        .badAddress, "'\(text)' \(what): write unix:PATH, tcp:HOST:PORT or vsock:CID:PORT")
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
    } else if text.hasPrefix("vsock:") {
      let parts = text.dropFirst("vsock:".count)
        .split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2 else { throw bad("needs a CID and a port") }
      guard let machine = VsockMachine(parts[0]) else {
        throw bad("has a CID that is neither a number nor any, local or host")
      }
      // The largest number stands for any port.
      guard let port = UInt32(parts[1]), port != .max else {
        throw bad("has a port that is not a number below 4294967295")
      }
      self = .vsock(machine, port: port)
    } else {
      throw bad("is not an address")
    }
  }
}
