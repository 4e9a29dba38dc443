/// A program that starts a server at another place and connects it through its own standard input
/// and output: ssh, docker, podman, kubectl, or any other command.
public struct Carrier: Sendable, Hashable, CustomStringConvertible {
  /// What to start, and what to say about it.
  let route: any CarrierRoute
  /// The address in the form that `Endpoint(parsing:)` takes. Two carriers with the same address are
  /// equal.
  public let description: String

  init(_ route: any CarrierRoute) {
    self.route = route
    description = route.description
  }

  /// One kind of carrier.
  private struct Kind {
    /// How its addresses begin.
    let prefix: String
    /// The form of its addresses, for messages.
    let form: String
    /// Reads the part of an address after `prefix`; nil if it does not have the form.
    let parse: @Sendable (Substring) throws(ClientError) -> (any CarrierRoute)?
  }

  /// All kinds of carriers.
  private static let kinds = [
    Kind(prefix: "ssh://", form: "ssh://[USER@]HOST[:PORT]") { rest throws(ClientError) in
      try SSHRoute(parsing: rest)
    },
    Kind(prefix: "docker://", form: "docker://CONTAINER") { rest throws(ClientError) in
      ContainerRoute(.docker, parsing: rest)
    },
    Kind(prefix: "podman://", form: "podman://CONTAINER") { rest throws(ClientError) in
      ContainerRoute(.podman, parsing: rest)
    },
    Kind(prefix: "kubectl://", form: "kubectl://[CONTEXT/]NAMESPACE/POD[/CONTAINER]") {
      rest throws(ClientError) in PodRoute(parsing: rest)
    },
    Kind(prefix: "exec:", form: "exec:COMMAND ...") { rest throws(ClientError) in
      try CommandRoute(parsing: rest)
    },
  ]

  /// The forms of all addresses, for messages.
  static let forms = kinds.map(\.form).joined(separator: ", ")

  /// How the addresses of carriers begin.
  package static let prefixes = kinds.map(\.prefix)

  /// Parses an address.
  ///
  /// - Returns: nil if it begins as no carrier's address does.
  /// - Throws: `ClientError` (`badAddress`) with a message that explains the mistake.
  init?(parsing text: String) throws(ClientError) {
    guard let kind = Self.kinds.first(where: { text.hasPrefix($0.prefix) }) else { return nil }
    guard let route = try kind.parse(text.dropFirst(kind.prefix.count)) else {
      throw ClientError(.badAddress, "'\(text)' is not of the form \(kind.form)")
    }
    self.init(route)
  }

  /// ssh to a host.
  ///
  /// - Parameters:
  ///   - jump: the hosts to jump over, as for `ssh -J`.
  ///   - identity: the file with the private key, as for `ssh -i`.
  /// - Throws: `ClientError` (`badAddress`) if ssh or a shell could misread one of them.
  package static func ssh(
    user: String?, host: String, port: UInt16? = nil, jump: String? = nil, identity: String? = nil
  ) throws(ClientError) -> Carrier {
    Carrier(
      try SSHRoute(user: user, host: host, port: port, jump: jump, identity: identity))
  }

  /// Whether telpher can be copied to the place: the carrier runs any command there.
  package var canInstall: Bool { !(route is CommandRoute) }

  /// The place, for messages: `me@host`, `the container web`.
  package var place: String { route.words.place }

  /// The same carrier with what is not nil replaced; nil if it is not ssh.
  ///
  /// - Throws: as `ssh(user:host:port:jump:identity:)`.
  package func changingSSH(
    user: String? = nil, jump: String? = nil, identity: String? = nil
  ) throws(ClientError) -> Carrier? {
    guard let old = route as? SSHRoute else { return nil }
    return try .ssh(
      user: user ?? old.user, host: old.host, port: old.port, jump: jump ?? old.jump,
      identity: identity ?? old.identity)
  }

  /// The same carrier, which asks no questions on the terminal.
  var askingNothing: Carrier {
    guard var ssh = route as? SSHRoute else { return self }
    ssh.asksNothing = true
    return Carrier(ssh)
  }

  public static func == (a: Carrier, b: Carrier) -> Bool { a.description == b.description }

  public func hash(into hasher: inout Hasher) { hasher.combine(description) }
}
