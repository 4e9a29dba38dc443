package import TelpherTransport

/// A pattern for the address of a socket.
///
///     tcp:HOST:PORT      HOST as the client writes it, or *; PORT a number, or *
///     unix:PATH          PATH a pattern as for an argument
///     hub:NAME           NAME a pattern as for an argument
package enum AddressPattern: Sendable, Hashable {
  /// A host, nil for each, and a port, nil for each.
  case tcp(host: String?, port: UInt16?)
  /// The path of a Unix socket.
  case unix(TextPattern)
  /// The name of a server at a hub.
  case hub(TextPattern)

  /// Reads a pattern.
  ///
  /// - Returns: nil if the text has none of the forms.
  package init?(_ text: String) {
    if text.hasPrefix("unix:/"), let pattern = TextPattern(String(text.dropFirst(5))) {
      self = .unix(pattern)
      return
    }
    if text.hasPrefix("hub:"), text.utf8.count > 4,
      let pattern = TextPattern(String(text.dropFirst(4)))
    {
      self = .hub(pattern)
      return
    }
    guard text.hasPrefix("tcp:"), let colon = text.lastIndex(of: ":"),
      text.distance(from: text.startIndex, to: colon) > 4
    else { return nil }
    var host = String(text[..<colon].dropFirst(4))
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    let port = text[text.index(after: colon)...]
    let number = UInt16(port)
    guard !host.isEmpty, number != nil || port == "*" else { return nil }
    self = .tcp(host: host == "*" ? nil : host.lowercased(), port: number)
  }

  /// Whether the pattern matches an address.
  package func matches(_ address: StreamTarget) -> Bool {
    switch (self, address) {
    case (.tcp(let host, let port), .socket(.tcp(let otherHost, let otherPort))):
      (host == nil || host == otherHost.lowercased()) && (port == nil || port == otherPort)
    case (.unix(let pattern), .socket(.unix(let path))): pattern.matches(Array(path.utf8))
    case (.hub(let pattern), .hub(let name)): pattern.matches(Array(name.description.utf8))
    default: false
    }
  }
}
