internal import Glibc
internal import TelpherAccess
internal import TelpherClient
internal import TelpherTransport

/// The way to a server: which one, and a connection to it.
struct ServerReach {
  let options: ServerOptions
  let backend = CurrentBackend.require()
  let environment = Environment.current()

  /// Whether a server is started for a client that names none and finds none.
  enum Embedding {
    case allowed
    case forbidden
  }

  /// Which server a connection leads to.
  enum Place {
    /// One that the user named.
    case named
    /// The one at the default socket, which the user did not name.
    case byDefault
    /// One that was started for this client, with this process's environment.
    case embedded
  }

  /// What a connection leads to.
  struct Reached {
    let connection: Connection
    /// A name for it.
    let name: String
    /// Which server it is.
    var place = Place.named
  }

  /// Connects. The connection and its loop last until the process ends.
  ///
  /// - Throws: `Failure`, `ClientError`.
  func connect(_ embedding: Embedding) async throws -> Reached {
    guard let address = options.address ?? environment["TELPHER_ON"].flatMap(Self.nonEmpty) else {
      return try await connectByDefault(embedding)
    }
    let endpoint = try Endpoint(parsing: address)
    var token: Token?
    var startsPrograms = false
    switch endpoint {
    case .ssh: startsPrograms = true
    case .socket(.tcp(let host, _)):
      guard Host.isLoopback(host) else {
        throw Failure(Loopback.refusal(endpoint.description))
      }
      token = try readToken()
    case .socket(.unix): break
    }
    let loop = try backend.makeClientLoop(startsPrograms: startsPrograms)
    do {
      let connection = try await Connection.connect(
        to: endpoint, on: loop, token: token, trustedUsers: Set(options.trustedUsers),
        environment: environment, timeout: timeout)
      return Reached(connection: connection, name: endpoint.description)
    } catch let error as ClientError where error.code == .unreachable {
      throw Self.advise(error, endpoint)
    }
  }

  private var timeout: Duration { options.connectTimeout ?? Connection.defaultTimeout }

  /// `error` with what the user can do about it.
  private static func advise(_ error: ClientError, _ endpoint: Endpoint) -> ClientError {
    guard case .socket(let address) = endpoint else { return error }
    return ClientError(
      error.code, "\(error.message); start a server there with 'telpher serve --listen \(address)'")
  }

  /// Finds the user's own server. One that lives is never passed by in silence: the command would run
  /// beside it, and differently.
  private func connectByDefault(_ embedding: Embedding) async throws -> Reached {
    let sockets = DefaultSocket.candidates(environment: environment)
    var loop: (any EventLoop)?
    var silent: DefaultSocket?
    for socket in sockets where socket.isTrusted {
      let endpoint = Endpoint.socket(.unix(path: socket.path))
      loop = try loop ?? backend.makeClientLoop(startsPrograms: false)
      guard let loop else { preconditionFailure("it was made above") }
      do {
        let connection = try await Connection.connect(
          to: endpoint, on: loop, trustedUsers: Set(options.trustedUsers), timeout: timeout)
        return Reached(connection: connection, name: endpoint.description, place: .byDefault)
      } catch let error as ClientError where error.code == .unreachable {
        silent = socket
      }
    }
    if let socket = sockets.first(where: \.hasServer) {
      throw Failure(
        "your server at unix:\(socket.path) takes no connections: it is starting, or ending and waits for what runs there; wait for it, or name another one with --on",
        kind: "unreachable")
    }
    guard embedding == .allowed else {
      throw Failure(
        "no server answers at unix:\(sockets[0].path): start one with 'telpher serve', or name one with --on",
        kind: "unreachable")
    }
    if let reason = whyUnusual(sockets, silent) {
      Descriptor.complain("\(reason): a server is started for this command alone")
    }
    return try await embed(on: loop)
  }

  /// Why it may surprise the user that no server was found; nil if there is none.
  private func whyUnusual(_ sockets: [DefaultSocket], _ silent: DefaultSocket?) -> String? {
    if let silent { return "no server answers at unix:\(silent.path), which one has left behind" }
    let first = sockets[0]
    if let fault = first.whyDistrusted { return "unix:\(first.path) is not used, since \(fault)" }
    guard environment["XDG_RUNTIME_DIR"]?.hasPrefix("/") != true else { return nil }
    return "XDG_RUNTIME_DIR is not set, and no server is at unix:\(first.path)"
  }

  private func embed(on loop: (any EventLoop)?) async throws -> Reached {
    // First, so that it starts while this process sets up the rest.
    let end = try EmbeddedServer.start()
    let loop = try loop ?? backend.makeClientLoop(startsPrograms: false)
    let connection = try await Connection.adopt(reading: end, writing: end, on: loop)
    return Reached(connection: connection, name: "embedded", place: .embedded)
  }

  private func readToken() throws(Failure) -> Token {
    do throws(SecretFile.Failure) {
      return try TokenFile(Self.tokenPath(options.tokenFile, environment)).read()
    } catch {
      throw Failure(error.description, kind: "not_authenticated")
    }
  }

  /// The token's file as the user says, or else.
  static func tokenPath(_ option: String?, _ environment: [String: String]) -> String {
    option ?? environment["TELPHER_TOKEN_FILE"].flatMap(nonEmpty)
      ?? TokenFile.defaultPath(environment: environment)
  }

  private static func nonEmpty(_ text: String) -> String? { text.isEmpty ? nil : text }
}
