internal import TelpherClient

/// A name of a server that a user wrote: of a host of the configuration, or of one that ssh knows.
struct HostName {
  /// The name as the user wrote it, with `USER@` if it has that.
  private let text: String

  /// A name: `[USER@]NAME`, with an IPv6 address in brackets.
  init(_ text: String) { self.text = text }

  /// Whether `text` can be the name of a host in a configuration: it is typed before a colon, and
  /// without the form of an address.
  static func isName(_ text: String) -> Bool {
    !text.isEmpty && !text.hasPrefix("-") && !text.contains { " \t:/@[]".contains($0) }
  }

  /// The server with the address or the name `text`.
  ///
  /// - Throws: `Failure`, `ClientError`.
  static func server(
    _ text: String, environment: [String: String]
  ) throws -> NamedServer {
    try server(text) { () throws(Failure) in
      try ConfigurationFile(environment: environment).read()
    }
  }

  /// The server with the address or the name `text`.
  ///
  /// - Parameter configuration: called if it is a name that a configuration may have.
  /// - Throws: `Failure`, `ClientError`.
  static func server(
    _ text: String, configuration: () throws(Failure) -> HostConfiguration
  ) throws -> NamedServer {
    // Every address has a colon, and no name has one outside of brackets.
    let isAddress = text.contains("/") || (text.contains(":") && !text.contains("["))
    return isAddress || Carrier.prefixes.contains(where: text.hasPrefix)
      || text.hasPrefix("unix:") || text.hasPrefix("tcp:")
      ? NamedServer(endpoint: try Endpoint(parsing: text))
      : try HostName(text).server(configuration)
  }

  /// The server of this name: that of the configuration, else the host that ssh knows by it.
  ///
  /// - Throws: `Failure` if the configuration is wrong; `ClientError` if the name can't be one.
  private func server(
    _ configuration: () throws(Failure) -> HostConfiguration
  ) throws -> NamedServer {
    let at = text.lastIndex(of: "@")
    let user = at.map { String(text[..<$0]) }
    let name = at.map { String(text[text.index(after: $0)...]) } ?? text
    guard Self.isName(name),
      let host = try configuration().hosts[ExactText(name)]
    else {
      let isBracketed = name.hasPrefix("[") && name.hasSuffix("]")
      return NamedServer(
        endpoint: .carrier(
          try .ssh(user: user, host: isBracketed ? String(name.dropFirst().dropLast()) : name)))
    }
    guard let user else { return NamedServer(endpoint: host.endpoint, keep: host.keep) }
    guard case .carrier(let carrier) = host.endpoint,
      let changed = try carrier.changingSSH(user: user)
    else {
      throw ClientError(
        .badAddress,
        "'\(text)' names a user, but the address of \(name) is \(host.endpoint), where ssh can't log in"
      )
    }
    return NamedServer(endpoint: .carrier(changed), keep: host.keep)
  }
}

/// The server that a user names by an address, by a name of the configuration, or by a name that ssh
/// knows.
struct NamedServer: Equatable {
  /// The address.
  let endpoint: Endpoint
  /// How long a connection to it is kept after its last use, if the configuration says so.
  var keep: Duration?
}
