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

  /// What a connection leads to.
  struct Reached {
    let connection: Connection
    /// A name for it.
    let name: String
    /// Whether the user named no server, so that a command is taken to run here, in this directory,
    /// whether or not a server happens to stand at the default socket.
    var isHere = false
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
    let connection = try await Connection.connect(
      to: endpoint, on: loop, token: token, trustedUsers: Set(options.trustedUsers),
      environment: environment)
    return Reached(connection: connection, name: endpoint.description)
  }

  private func connectByDefault(_ embedding: Embedding) async throws -> Reached {
    let socket = DefaultSocket(environment: environment)
    let endpoint = Endpoint.socket(.unix(path: socket.path))
    if socket.isTrusted {
      let loop = try backend.makeClientLoop(startsPrograms: false)
      do {
        let connection = try await Connection.connect(
          to: endpoint, on: loop, trustedUsers: Set(options.trustedUsers))
        return Reached(connection: connection, name: endpoint.description, isHere: true)
      } catch let error as ClientError where error.code == .unreachable && embedding == .allowed {
        // A dead server's file, say. Then as without one.
        return try await embed(on: loop)
      }
    }
    guard embedding == .allowed else {
      throw Failure(
        "no server answers at \(endpoint): start one with 'telpher serve', or name one with --on",
        kind: "unreachable")
    }
    return try await embed(on: nil)
  }

  private func embed(on loop: (any EventLoop)?) async throws -> Reached {
    // First, so that it starts while this process sets up the rest.
    let end = try EmbeddedServer.start()
    let loop = try loop ?? backend.makeClientLoop(startsPrograms: false)
    let connection = try await Connection.adopt(reading: end, writing: end, on: loop)
    return Reached(connection: connection, name: "embedded", isHere: true)
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
