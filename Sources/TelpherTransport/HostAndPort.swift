/// `HOST:PORT` as text, an IPv6 host in brackets.
enum HostAndPort {
  /// What is wrong with a text.
  struct Malformed: Error {
    let fault: String
  }

  /// Reads a host and a port.
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

  /// Writes both.
  static func text(_ host: String, _ port: UInt16) -> String {
    "\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }
}
