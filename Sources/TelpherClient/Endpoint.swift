public import TelpherTransport

/// Where a server is reached.
public enum Endpoint: Sendable, Equatable {
  /// A socket on this machine.
  case socket(SocketAddress)
  /// A host reached by the user's own ssh, which starts a server there for this connection.
  case ssh(user: String?, host: String, port: UInt16?)

  /// Reads `unix:PATH`, `tcp:HOST:PORT` or `ssh://[USER@]HOST[:PORT]`.
  ///
  /// - Throws: `ClientError` (`badAddress`) that says what is wrong with it.
  public init(parsing text: String) throws(ClientError) {
    guard text.hasPrefix("ssh://") else {
      do throws(TransportError) {
        self = .socket(try SocketAddress(parsing: text))
      } catch {
        throw ClientError(.badAddress, "\(error.message), or ssh://[USER@]HOST[:PORT]")
      }
      return
    }
    var rest = text.dropFirst("ssh://".count)
    while rest.hasSuffix("/") { rest.removeLast() }
    var user: String?
    if let at = rest.lastIndex(of: "@") {
      user = String(rest[..<at])
      rest = rest[rest.index(after: at)...]
    }
    var port: UInt16?
    // An IPv6 host stands in brackets; what follows the last colon outside of them is the port.
    if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
      guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else {
        throw ClientError(.badAddress, "'\(text)': the port is a number from 1 to 65535")
      }
      port = number
      rest = rest[..<colon]
    }
    let host = String(rest.drop { $0 == "[" }.prefix { $0 != "]" })
    // A host or user that begins with a dash would be taken for an option by ssh.
    guard !host.isEmpty, !host.hasPrefix("-"), user?.hasPrefix("-") != true, user != "" else {
      throw ClientError(.badAddress, "'\(text)' is not of the form ssh://[USER@]HOST[:PORT]")
    }
    self = .ssh(user: user, host: host, port: port)
  }

  /// The command that starts a server at the far end of ssh and speaks through its standard streams.
  ///
  /// - Parameter timeout: how long ssh may take for its TCP connection; at least a second.
  static func sshArguments(
    user: String?, host: String, port: UInt16?, timeout: Duration
  ) -> [String] {
    let seconds = max(1, timeout.wholeMilliseconds / 1_000)
    let port = port.map { ["-p", "\($0)"] } ?? []
    let target = user.map { "\($0)@\(host)" } ?? host
    // No terminal, no escape character: the bytes must pass untouched.
    return ["ssh", "-T", "-e", "none", "-o", "ConnectTimeout=\(seconds)"] + port + [
      "--", target, "telpher", "serve", "--listen", "stdio",
    ]
  }
}

extension Endpoint: CustomStringConvertible {
  /// The address as it is written.
  public var description: String {
    switch self {
    case .socket(let address): return address.description
    case .ssh(let user, let host, let port):
      let name = host.contains(":") ? "[\(host)]" : host
      return "ssh://\(user.map { "\($0)@" } ?? "")\(name)\(port.map { ":\($0)" } ?? "")"
    }
  }
}
