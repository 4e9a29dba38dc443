/// Parses and formats `HOST:PORT`, with an IPv6 host in brackets.
enum HostAndPort {
  /// A text that is not `HOST:PORT`; `fault` completes a sentence that starts with the text.
  struct Malformed: Error {
    let fault: String
  }

  /// Parses a host and a port.
  static func parse(_ text: Substring) throws(Malformed) -> (host: String, port: UInt16) {
    guard let colon = text.lastIndex(of: ":") else { throw Malformed(fault: "has no port") }
    guard let port = UInt16(text[text.index(after: colon)...]) else {
      throw Malformed(fault: "has no port from 0 to 65535")
    }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard !host.isEmpty else { throw Malformed(fault: "has no host") }
    return (host, port)
  }

  /// Formats a host and a port.
  static func text(_ host: String, _ port: UInt16) -> String {
    "\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }
}
