internal import TelpherTransport

/// Where a NATS server is: `nats://HOST[:PORT]` or `tls://HOST[:PORT]`, with an IPv6 host in brackets.
package struct NATSAddress: Sendable, Hashable, CustomStringConvertible {
  /// The port of NATS.
  package static let defaultPort: UInt16 = 4_222
  /// The most addresses in one list. A cluster has three or five servers.
  package static let most = 64

  /// The host: a name or a numeric address.
  package let host: String
  /// The TCP port.
  package let port: UInt16
  /// Whether the connection must be encrypted. With `nats:` the server decides.
  package let requiresTLS: Bool

  /// An address.
  package init(host: String, port: UInt16 = defaultPort, requiresTLS: Bool = false) {
    (self.host, self.port, self.requiresTLS) = (host, port, requiresTLS)
  }

  /// Parses an address. Credentials are not part of it: other users can read the arguments of a
  /// process.
  ///
  /// - Throws: `NATSError` (`badAddress`) with the expected form.
  package init(parsing text: some StringProtocol) throws(NATSError) {
    let text = String(text)
    func bad(_ what: String) -> NATSError {
      // It may contain a password.
      NATSError(
        .badAddress,
        "the address of the NATS server \(what): write nats://HOST[:PORT] or tls://HOST[:PORT]")
    }
    let requiresTLS = text.hasPrefix("tls://")
    guard requiresTLS || text.hasPrefix("nats://") else {
      throw bad("has neither nats:// nor tls://")
    }
    let rest = text.dropFirst(requiresTLS ? "tls://".count : "nats://".count)
    guard !rest.contains("@") else { throw bad("contains credentials, which belong into a file") }
    guard !rest.isEmpty, !rest.contains(where: { "/?#, ".contains($0) }) else {
      throw bad("has no host, or a path")
    }
    let hasPort: Bool
    if let bracket = rest.lastIndex(of: "]") {
      hasPort = rest[bracket...].contains(":")
    } else {
      hasPort = rest.contains(":")
    }
    do throws(TransportError) {
      let full = hasPort ? String(rest) : "\(rest):\(Self.defaultPort)"
      guard case .tcp(let host, let port) = try SocketAddress(parsing: "tcp:\(full)"), port != 0
      else {
        throw TransportError(.badAddress, "")
      }
      self.init(host: host, port: port, requiresTLS: requiresTLS)
    } catch { throw bad("has no host, or a port that is not from 1 to 65535") }
  }

  /// Parses a list with commas.
  ///
  /// - Throws: as `init(parsing:)`.
  package static func list(parsing text: String) throws(NATSError) -> [NATSAddress] {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count <= most else {
      throw NATSError(.badAddress, "more than \(most) addresses of NATS servers are given")
    }
    var list: [NATSAddress] = []
    for part in parts { list.append(try NATSAddress(parsing: part)) }
    return list
  }

  var socket: SocketAddress { .tcp(host: host, port: port) }

  package var description: String {
    "\(requiresTLS ? "tls" : "nats")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }
}
