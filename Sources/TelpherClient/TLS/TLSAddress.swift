internal import TelpherTransport

/// The address of a server that listens with TLS: a host and a port.
public struct TLSAddress: Sendable, Hashable {
  /// A name or a numeric address, without brackets.
  public let host: String
  /// The port.
  public let port: UInt16

  /// The port if an address names none. No service has it at IANA.
  public static let defaultPort: UInt16 = 7722

  /// How the addresses begin.
  static let prefix = "tls://"
  /// Their form, for messages.
  static let form = "tls://HOST[:PORT]"

  /// An address.
  public init(host: String, port: UInt16 = Self.defaultPort) {
    (self.host, self.port) = (host, port)
  }

  /// Parses `tls://HOST[:PORT]`, with an IPv6 host in brackets.
  ///
  /// - Returns: nil if `text` begins in another way.
  /// - Throws: `ClientError` (`badAddress`) with a message that explains the mistake.
  init?(parsing text: String) throws(ClientError) {
    guard text.hasPrefix(Self.prefix) else { return nil }
    guard let address = Self(hostAndPort: text.dropFirst(Self.prefix.count)) else {
      throw ClientError(.badAddress, "'\(text)' is not of the form \(Self.form)")
    }
    self = address
  }

  /// Parses `HOST[:PORT]`, with an IPv6 host in brackets; nil if it has another form.
  package init?(hostAndPort text: Substring) {
    var host = text
    var port = Self.defaultPort
    let hasPort = text.hasPrefix("[") ? !text.hasSuffix("]") : text.contains(":")
    if hasPort, let colon = text.lastIndex(of: ":") {
      guard let number = UInt16(text[text.index(after: colon)...]), number > 0 else { return nil }
      (host, port) = (text[..<colon], number)
    }
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    // Nothing that could be another part of a URL, or of a line of the known hosts.
    guard !host.isEmpty, !host.hasPrefix("-"),
      host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
      !host.contains(where: { "/?#@[],|*!\"\\".contains($0) })
    else { return nil }
    self.init(host: String(host), port: port)
  }

  /// The address to connect to.
  var socket: SocketAddress { .tcp(host: host, port: port) }
}

extension TLSAddress: CustomStringConvertible {
  /// `tls://HOST:PORT`, an IPv6 host in brackets.
  public var description: String { "tls://\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}
