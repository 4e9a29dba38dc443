public import TelpherTransport

/// The address of a server.
public enum Endpoint: Sendable, Equatable {
  /// A Unix socket, or a TCP socket on this machine.
  case socket(SocketAddress)
  /// A host reached with the user's ssh, which starts a server there for this connection.
  case ssh(user: String?, host: String, port: UInt16?)

  /// Parses `unix:PATH`, `tcp:HOST:PORT` or `ssh://[USER@]HOST[:PORT]`.
  ///
  /// - Throws: `ClientError` (`badAddress`) with a message that explains the mistake.
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
    // An IPv6 address is in brackets; the port follows the last colon outside of them.
    if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
      guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else {
        throw ClientError(.badAddress, "'\(text)': the port is a number from 1 to 65535")
      }
      port = number
      rest = rest[..<colon]
    }
    let host = String(rest.drop { $0 == "[" }.prefix { $0 != "]" })
    // ssh would take a host or user that begins with a dash for an option.
    guard !host.isEmpty, !host.hasPrefix("-"), user?.hasPrefix("-") != true, user != "" else {
      throw ClientError(.badAddress, "'\(text)' is not of the form ssh://[USER@]HOST[:PORT]")
    }
    self = .ssh(user: user, host: host, port: port)
  }

  /// Returns the ssh command that starts a server on the host, connected to ssh's standard input
  /// and output.
  ///
  /// - Parameter timeout: how long ssh may take for its TCP connection, in whole seconds, at least
  ///   1.
  static func sshArguments(
    user: String?, host: String, port: UInt16?, timeout: Duration
  ) -> [String] {
    let seconds = max(1, timeout.wholeMilliseconds / 1_000)
    let port = port.map { ["-p", "\($0)"] } ?? []
    let target = user.map { "\($0)@\(host)" } ?? host
    // ssh must not change any bytes: no terminal (-T), no escape character (-e none).
    return ["ssh", "-T", "-e", "none", "-o", "ConnectTimeout=\(seconds)"] + port + [
      "--", target, "telpher", "serve", "--listen", "stdio",
    ]
  }
}

extension Endpoint: CustomStringConvertible {
  /// The address in the form that `init(parsing:)` takes.
  public var description: String {
    switch self {
    case .socket(let address): return address.description
    case .ssh(let user, let host, let port):
      let name = host.contains(":") ? "[\(host)]" : host
      return "ssh://\(user.map { "\($0)@" } ?? "")\(name)\(port.map { ":\($0)" } ?? "")"
    }
  }
}
