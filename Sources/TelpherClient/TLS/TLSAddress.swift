internal import TelpherTransport

/// The address of a server that listens with TLS: a host and a port, and perhaps a user.
public struct TLSAddress: Sendable, Hashable {
  /// A name or a numeric address, without brackets.
  public let host: String
  /// The port.
  public let port: UInt16
  /// The user of the server's system in whose authorized_keys the client's ssh key must be; any if nil.
  public let user: String?

  /// The port if an address names none. No service has it at IANA.
  public static let defaultPort: UInt16 = 7722

  /// How the addresses begin.
  static let prefix = "tls://"
  /// Their form, for messages.
  static let form = "tls://[USER@]HOST[:PORT]"

  /// An address.
  public init(host: String, port: UInt16 = Self.defaultPort, user: String? = nil) {
    (self.host, self.port, self.user) = (host, port, user)
  }

  /// The longest name of a user in bytes. A HELLO has room for it beside the signatures.
  static let maxUserLength = 64

  /// Parses `tls://[USER@]HOST[:PORT]`, with an IPv6 host in brackets.
  ///
  /// - Returns: nil if `text` begins in another way.
  /// - Throws: `ClientError` (`badAddress`) with a message that explains the mistake.
  init?(parsing text: String) throws(ClientError) {
    guard text.hasPrefix(Self.prefix) else { return nil }
    var rest = text.dropFirst(Self.prefix.count)
    var user: String?
    if let at = rest.firstIndex(of: "@") {
      user = String(rest[..<at])
      rest = rest[rest.index(after: at)...]
    }
    guard user.map(Self.isUser) ?? true, let address = Self(hostAndPort: rest) else {
      throw ClientError(.badAddress, "'\(text)' is not of the form \(Self.form)")
    }
    self.init(host: address.host, port: address.port, user: user)
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

  /// Whether a text can be the name of a user.
  private static func isUser(_ text: String) -> Bool {
    (1...maxUserLength).contains(text.utf8.count) && !text.hasPrefix("-")
      && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
      && !text.contains(where: { "/?#@[]:,|*!\"\\".contains($0) })
  }

  /// The address to connect to.
  var socket: SocketAddress { .tcp(host: host, port: port) }
}

extension TLSAddress: CustomStringConvertible {
  /// `tls://[USER@]HOST:PORT`, an IPv6 host in brackets.
  public var description: String {
    let user = user.map { "\($0)@" } ?? ""
    return "tls://\(user)\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }
}
