internal import Glibc
internal import TelpherAccess
internal import TelpherClient
internal import TelpherTransport

/// Finds the server that the settings name and connects to it.
struct ServerReach {
  var settings: ServerSettings
  /// The loop to use; nil for a new one with each connection.
  var loop: (any EventLoop)?
  let backend = CurrentBackend.require()
  let environment = Environment.current()

  /// Whether a temporary server is started if the user names no server and none runs.
  enum EmbeddedServerUse {
    case allowed
    case forbidden
  }

  /// The kind of server that a connection leads to.
  enum Place {
    /// A server that the user named.
    case named
    /// The server at the default socket; the user named no server.
    case byDefault
    /// A temporary server that was started for this client, with this process's environment.
    case embedded
  }

  /// A connection and the server at its other end.
  struct Reached {
    let connection: Connection
    /// The name of the server, for messages.
    let name: String
    /// The kind of server.
    var place = Place.named
  }

  /// The same, but with at most this time to connect if it is less than without it.
  func within(_ limit: Duration?) -> ServerReach {
    var reach = self
    if let limit, limit < settings.connectTimeout ?? Connection.defaultTimeout {
      reach.settings.connectTimeout = limit
    }
    return reach
  }

  /// Connects. The connection and its loop last until the process ends.
  ///
  /// - Throws: `Failure`, `ClientError`.
  func connect(embeddedServer: EmbeddedServerUse) async throws -> Reached {
    guard let address = settings.namedAddress(environment) else {
      try settings.checkTLSOptions(for: nil)
      return try await connectByDefault(embeddedServer)
    }
    let named = try HostName.server(address, environment: environment)
    let endpoint = named.endpoint
    try settings.checkTLSOptions(for: endpoint)
    var token: Token?
    let startsPrograms = endpoint.usesCarrier
    switch endpoint {
    case .carrier, .hub: break
    case .socket(.tcp(let host, _)):
      guard Host.isLoopback(host) else {
        throw Failure(Loopback.refusal(endpoint.description))
      }
      token = try Self.readToken(settings.tokenFile, environment)
    case .socket(.vsock): token = try Self.readToken(settings.tokenFile, environment)
    case .socket(.unix): break
    case .tls:
      let tls = settings.tls(environment, for: endpoint)
      if tls.certificate == nil, tls.keys == nil {
        token = try Self.readToken(settings.tokenFile, environment)
      }
    }
    do {
      if let connection = try await connectThroughRelay(named, token) {
        return Reached(connection: connection, name: endpoint.description)
      }
      let loop = try loop ?? backend.makeClientLoop(startsPrograms: startsPrograms)
      return Reached(
        connection: try await connect(to: endpoint, on: loop, token), name: endpoint.description)
    } catch let error as ClientError where error.code == .unreachable {
      throw Self.advise(error, endpoint)
    }
  }

  /// Connects through the user's relay for `server`; nil if the user wants none, or none can be
  /// used.
  private func connectThroughRelay(
    _ server: NamedServer, _ token: Token?
  ) async throws -> Connection? {
    if case .socket(.unix) = server.endpoint { return nil }
    let keep =
      try settings.keep(environment) ?? server.keep ?? ServerSettings.defaultKeep
    guard keep > .zero else { return nil }
    let reach = RelayReach(
      endpoint: server.endpoint, token: token,
      tokenFile: Self.tokenPath(settings.tokenFile, environment), timeout: settings.connectTimeout,
      keep: keep, install: install, tls: tls(for: server.endpoint), environment: environment,
      allVariables: Environment.all())
    return try await reach.connect(on: try loop ?? backend.makeClientLoop(startsPrograms: false))
  }

  private func tls(for endpoint: Endpoint) -> TLSSettings? {
    endpoint.hasHostKey ? settings.tls(environment, for: endpoint) : nil
  }

  private var install: InstallPolicy { settings.install ?? .ask }

  private func connect(
    to endpoint: Endpoint, on loop: any EventLoop, _ token: Token?
  ) async throws -> Connection {
    if case .carrier(let carrier) = endpoint {
      let installer = Installer(policy: install, environment: Environment.all())
      return try await ConnectingSignals.interruptible(on: loop) {
        [timeout = settings.connectTimeout] in
        try await installer.connect(to: carrier, on: loop, timeout: timeout)
      }
    }
    if endpoint.hasHostKey {
      let reach = DirectReach(
        endpoint: endpoint, tls: tls(for: endpoint),
        tokenFile: Self.tokenPath(settings.tokenFile, environment),
        timeout: settings.connectTimeout, install: install, asks: true,
        trustedUsers: Set(settings.trustedUsers), environment: Environment.all())
      let connection = try await ConnectingSignals.interruptible(on: loop) {
        try await reach.connect(on: loop)
      }
      TLSConnections.add(connection)
      return connection
    }
    return try await Connection.connect(
      to: endpoint, on: loop, token: token, trustedUsers: Set(settings.trustedUsers),
      timeout: settings.connectTimeout)
  }

  /// Adds to `error` what the user can do about it.
  private static func advise(_ error: ClientError, _ endpoint: Endpoint) -> ClientError {
    if case .tls = endpoint {
      return ClientError(
        error.code,
        "\(error.message); start a server there with 'telpher serve --listen tls:HOST:PORT'")
    }
    guard case .socket(let address) = endpoint else { return error }
    let advice =
      if case .unix(let path) = address, let owner = ownerOfForbidden(path) {
        "the socket belongs to user \(owner), and only that user and root can use it"
      } else {
        "start a server there with 'telpher serve --listen \(address)'"
      }
    return ClientError(error.code, "\(error.message); \(advice)")
  }

  /// The owner of a socket that this user may not use; nil if something else is wrong with it.
  private static func ownerOfForbidden(_ path: String) -> UInt32? {
    var status = stat()
    guard stat(path, &status) == 0, access(path, W_OK) != 0 else { return nil }
    return status.st_uid
  }

  /// Connects to the user's own server, or else to a temporary one. If the user's own server runs
  /// but takes no connections, this fails: in a temporary server the command could behave
  /// differently.
  private func connectByDefault(_ embeddedServer: EmbeddedServerUse) async throws -> Reached {
    let sockets = DefaultSocket.candidates(environment: environment)
    var loop = loop
    var silent: DefaultSocket?
    for socket in sockets where socket.isTrusted {
      let endpoint = Endpoint.socket(.unix(path: socket.path))
      loop = try loop ?? backend.makeClientLoop(startsPrograms: false)
      guard let loop else { preconditionFailure("it was made above") }
      do {
        let connection = try await Connection.connect(
          to: endpoint, on: loop, trustedUsers: Set(settings.trustedUsers),
          timeout: settings.connectTimeout)
        return Reached(connection: connection, name: endpoint.description, place: .byDefault)
      } catch let error as ClientError where error.code == .unreachable {
        silent = socket
      }
    }
    if let socket = sockets.first(where: \.hasServer) {
      throw Failure(
        "your server at unix:\(socket.path) takes no connections: it is starting, or it is ending and waits for its commands; try again later, or name another server with --on",
        kind: "unreachable")
    }
    guard embeddedServer == .allowed else {
      throw Failure(
        "no server answers at unix:\(sockets[0].path); start one with 'telpher serve', or name another with --on",
        kind: "unreachable")
    }
    if let reason = reasonToReport(sockets, silent) {
      Descriptor.complain("\(reason); telpher starts a temporary server for this command")
    }
    return try await embed(on: loop)
  }

  /// Why the user may have expected to reach a running server; nil if there is no such reason.
  private func reasonToReport(_ sockets: [DefaultSocket], _ silent: DefaultSocket?) -> String? {
    if let silent {
      return "no server answers at unix:\(silent.path), a socket that an earlier server left"
    }
    let first = sockets[0]
    if let fault = first.distrustReason {
      return "the socket unix:\(first.path) is not used because \(fault)"
    }
    guard environment["XDG_RUNTIME_DIR"]?.hasPrefix("/") == true else {
      return "XDG_RUNTIME_DIR is not set, and no server is at unix:\(first.path)"
    }
    return first.faultOfFolder().map { "XDG_RUNTIME_DIR names a folder that is not used: \($0)" }
  }

  private func embed(on loop: (any EventLoop)?) async throws -> Reached {
    // Started first: the server starts while this process makes its loop.
    let end = try EmbeddedServer.start()
    let loop = try loop ?? backend.makeClientLoop(startsPrograms: false)
    let connection = try await Connection.adopt(reading: end, writing: end, on: loop)
    return Reached(connection: connection, name: "embedded", place: .embedded)
  }

  /// The token of the token file.
  ///
  /// - Throws: `Failure`.
  static func readToken(
    _ option: String?, _ environment: [String: String]
  ) throws(Failure) -> Token {
    let path = tokenPath(option, environment)
    if access(path, F_OK) != 0, errno == ENOENT {
      throw Failure(
        "there is no token file \(path): 'telpher serve --listen tcp:HOST:PORT' creates it on this machine; for a tls server on another machine, copy its token file here. If the token is in another file, name that with --token-file",
        kind: "not_authenticated")
    }
    do throws(SecretFile.Failure) {
      return try TokenFile(path).read()
    } catch {
      throw Failure(error.description, kind: "not_authenticated")
    }
  }

  /// The path of the token file: `option`, else $TELPHER_TOKEN_FILE, else the default path.
  static func tokenPath(_ option: String?, _ environment: [String: String]) -> String {
    option ?? environment["TELPHER_TOKEN_FILE"].flatMap(nonEmpty)
      ?? TokenFile.defaultPath(environment: environment)
  }

  private static func nonEmpty(_ text: String) -> String? { text.isEmpty ? nil : text }
}

/// The rule that TCP is used only within this machine.
enum Loopback {
  /// The message that refuses `address`.
  static func refusal(_ address: String) -> String {
    "\(address) is refused: TCP is not encrypted, so telpher uses it only within this machine (127.0.0.1, ::1, localhost); between machines, clients connect with --on ssh://HOST"
  }
}
