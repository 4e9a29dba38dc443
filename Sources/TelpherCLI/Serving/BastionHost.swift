internal import Glibc
internal import Logging
internal import TelpherAccess
internal import TelpherClient
internal import TelpherRelay
internal import TelpherTransport

/// Runs a bastion as this process: a server that passes its clients on to another one.
struct BastionHost {
  let backend: any Backend
  let environment: [String: String]
  /// The file with the token that clients on TCP must know, and that a server on TCP knows.
  let tokenFile: String?
  /// The address or the name of the server that clients are passed on to.
  let server: String
  let maxConnections: Int
  /// How long a client may be silent before it is disconnected; nil for no limit.
  let clientTimeout: Duration?
  let logger: Logger

  /// Connects to the server and serves until a signal ends this process, the connection to the
  /// server is lost, or, with stdio, the client disconnects.
  ///
  /// - Throws: `ClientError` if the server can't be reached; `Failure` if its connection was lost,
  ///   or an address can't be used; `TransportError`.
  func serve(_ addresses: [ListenAddress]) async throws {
    let sockets = try ListenSockets.checked(addresses, environment: environment)
    guard !sockets.contains(where: \.hasTLS) else {
      throw Failure(
        "--relay can't listen with TLS: the server that the clients are passed on to sees only one user, and could not tell their keys apart; let it listen at a Unix socket, and reach it through ssh"
      )
    }
    let file = TokenFile(ServerReach.tokenPath(tokenFile, environment))
    let connection = try await connect(file)
    var configuration = RelayConfiguration(
      address: server, version: RelayKey.build, owner: geteuid(), keep: .max)
    configuration.maxClients = min(configuration.maxClients, maxConnections)
    if sockets.contains(where: \.isOpenToStrangers) {
      do throws(SecretFile.Failure) { _ = try file.readOrMake() } catch {
        throw Failure(error.description)
      }
      configuration.tokens = TokenSource(file)
    }
    if let clientTimeout {
      configuration.disconnectClients(silentFor: UInt64(clientTimeout / .nanoseconds(1)))
    }
    let isStdio = addresses.contains(.stdio)
    let relay = try await RelayServer.start(
      over: connection, at: sockets.map(\.address),
      client: isStdio ? .init(reading: STDIN_FILENO, writing: STDOUT_FILENO) : nil, configuration)
    // Before the address is printed: SIGUSR2 may come from then on.
    await Successor.refuse(on: relay.loop, "it passes its clients on", logger)
    for address in await relay.addresses {
      logger.info("listening", metadata: ["address": "\(address)", "relay": "\(server)"])
      try Announcement.print(address)
    }
    await ServerSignals.watch(on: relay.loop, reapOrphans: nil).run(
      until: { isStdio ? await relay.drain() : await relay.ended() }, ending: relay, logger)
    if let reason = await relay.lossReason {
      throw Failure("the connection to \(server) is lost: \(reason)", kind: "lost")
    }
  }

  /// The address of a bastion's server that means the user's own one on this machine.
  static let own = "unix:"

  private func endpoint() throws -> Endpoint {
    guard server == Self.own else {
      return try HostName.server(server, environment: environment).endpoint
    }
    let sockets = DefaultSocket.candidates(environment: environment).filter(\.isTrusted)
    guard let socket = sockets.first(where: \.hasServer) ?? sockets.first else {
      throw Failure("you have no server on this machine", kind: "unreachable")
    }
    return .socket(.unix(path: socket.path))
  }

  private func connect(_ file: TokenFile) async throws -> Connection {
    let endpoint = try endpoint()
    var token: Token?
    if case .socket(.tcp) = endpoint {
      do throws(SecretFile.Failure) { token = try file.read() } catch {
        throw Failure(error.description, kind: "not_authenticated")
      }
    }
    do {
      let loop = try backend.makeClientLoop(startsPrograms: true)
      return try await ConnectingSignals.interruptible(on: loop) { [token] in
        let connection: Connection
        switch endpoint {
        case .carrier(let carrier):
          connection = try await Connection.connect(
            through: carrier, on: loop, environment: Environment.all(), timeout: nil)
        case .tls, .hub:
          connection = try await DirectReach(
            endpoint: endpoint, tls: ServerSettings().tls(environment, for: endpoint),
            tokenFile: file.file.path, asks: true, environment: Environment.all()
          ).connect(on: loop)
        case .socket:
          connection = try await Connection.connect(to: endpoint, on: loop, token: token)
        }
        _ = try await connection.serverHello()
        return connection
      }
    } catch {
      throw Failure(error)
    }
  }
}

extension RelayServer: EndableServer {
  func endInOrder() async { await drain() }
  func endAtOnce() async { await stop("a signal has ended the bastion") }
  nonisolated var remaining: String? { nil }
}
