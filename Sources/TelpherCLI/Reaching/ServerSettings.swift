internal import TelpherClient
internal import TelpherKeys

/// Which server to use and how to connect to it: the values of `ServerOptions`.
struct ServerSettings: Sendable, Equatable {
  /// The value of `--on`, or the host that a path or `on` names; nil if none is named.
  var address: String?
  /// The value of `--token-file`.
  var tokenFile: String?
  /// The user IDs of `--trust-uid`.
  var trustedUsers: [UInt32] = []
  /// The value of `--connect-timeout`.
  var connectTimeout: Duration?
  /// The value of `--keep`.
  var keep: Duration?
  /// The value of `--install`.
  var install: InstallPolicy?
  /// The value of `--host-key`.
  var hostKey: String?
  /// Whether `--accept-new` is given.
  var acceptsNewKeys = false
  /// The values of `--client-cert` and `--client-key`.
  var certificate: TLSSettings.CertificateFiles?

  /// The value of `--identity`.
  var identity: String?

  /// How long to keep connections if the user does not say it.
  static let defaultKeep = Duration.seconds(60)

  /// A command line that does something else with the same server, for messages: the user can paste it
  /// into a shell.
  ///
  /// - Parameters:
  ///   - verb: the subcommand.
  ///   - rest: its last argument.
  func commandLine(_ verb: String, _ rest: String) -> String {
    var words = ["telpher", verb]
    func add(_ option: String, _ value: String?) {
      if let value { words += [option, value] }
    }
    add("--on", namedAddress(Environment.current()))
    add("--token-file", tokenFile)
    add("--host-key", hostKey)
    add("--identity", identity)
    add("--client-cert", certificate?.certificate)
    add("--client-key", certificate?.key)
    for user in trustedUsers { add("--trust-uid", "\(user)") }
    return CommandWords.joined(words + [rest])
  }

  /// The server that the user has named by an option or by the environment; nil for the own server of
  /// this machine.
  func namedAddress(_ environment: [String: String]) -> String? {
    if let address { return address }
    guard let named = environment["TELPHER_ON"], !named.isEmpty else { return nil }
    return named
  }

  /// How to reach a server with TLS.
  func tls(_ environment: [String: String], for endpoint: Endpoint) -> TLSSettings {
    TLSSettings(
      hostKey: hostKey, acceptsNewKeys: acceptsNewKeys, certificate: certificate,
      keys: keys(environment, for: endpoint),
      knownHosts: KnownHostsFile.defaultPath(environment: environment))
  }

  /// The ssh keys to prove. A token that the user has named is proved instead, but not to a server behind
  /// a hub, which takes none.
  private func keys(
    _ environment: [String: String], for endpoint: Endpoint
  ) -> TLSSettings.KeySettings? {
    var isTokenNamed = tokenFile != nil || environment["TELPHER_TOKEN_FILE"]?.isEmpty == false
    if case .hub = endpoint { isTokenNamed = false }
    guard identity != nil || !isTokenNamed else { return nil }
    return TLSSettings.KeySettings(
      agent: environment["SSH_AUTH_SOCK"], identity: identity,
      folder: environment["HOME"].map { "\($0)/.ssh" }, mayUseToken: identity == nil)
  }

  /// Refuses the options for TLS if the server is reached without TLS: users rely on them for
  /// security, so they must not be ignored.
  ///
  /// - Parameter endpoint: the server; nil for the user's own server on this machine.
  /// - Throws: `Failure` if one is given for another server.
  func checkTLSOptions(for endpoint: Endpoint?) throws(Failure) {
    if endpoint?.hasHostKey == true { return }
    let given = [
      ("--host-key", hostKey != nil), ("--identity", identity != nil),
      ("--client-cert", certificate != nil),
    ]
    guard let (option, _) = given.first(where: \.1) else { return }
    let server = endpoint.map { "\($0)" } ?? "your own server on this machine"
    throw Failure("\(option) is for tls addresses only, not for \(server)")
  }

  /// How long to keep the connection, from the option or the environment; nil if neither says it.
  ///
  /// - Throws: `Failure` if $TELPHER_KEEP is not a time.
  func keep(_ environment: [String: String]) throws(Failure) -> Duration? {
    if let keep { return keep }
    guard let text = environment["TELPHER_KEEP"], !text.isEmpty else { return nil }
    do { return try DurationArgument.parse(text) } catch {
      throw Failure("$TELPHER_KEEP: \(error)")
    }
  }
}
