import Glibc
import Logging
import TelpherAccess
import TelpherClient
import TelpherKeys
import TelpherRelay
import TelpherServer
import TelpherTLS
import TelpherTestSupport
import TelpherTransport
import Testing

/// A server and a client in this process, each on its own loop, over a real socket. With
/// TELPHER_TEST_RELAY in the environment, clients reach the server through a relay; with
/// TELPHER_TEST_TLS, those of `connect()` use TLS.
struct Fixture {
  let server: Server
  let clientLoop: any EventLoop
  /// Where clients connect.
  let address: SocketAddress

  /// Whether clients reach the server through a relay.
  static let usesRelay = getenv("TELPHER_TEST_RELAY") != nil

  /// Whether clients use TLS.
  static let usesTLS = getenv("TELPHER_TEST_TLS") != nil
  /// Where clients connect with TLS; nil if they do not.
  private let secured: Secured?

  /// A listener with TLS.
  private struct Secured {
    let address: TLSAddress
    let token: Token
    let fingerprint: String

    /// Makes `server`, which requires `token`, listen.
    init(_ server: Server, _ token: Token) async throws {
      let key = HostKey.random()
      let door = TLSDoor(try TLSContext(server: key))
      let bound = try await server.listen(at: .tcp(host: "127.0.0.1", port: 0), over: door)
      guard case .tcp(let host, let port) = bound else {
        preconditionFailure("it listens at a TCP address")
      }
      address = TLSAddress(host: host, port: port)
      self.token = token
      fingerprint = try #require(SSHPublicKey(ed25519: key.publicKey)).fingerprint
    }
  }

  /// Where the connections of `connect()` go.
  var target: SocketAddress {
    secured.map { .tcp(host: $0.address.host, port: $0.address.port) } ?? address
  }

  /// A new connection to the server.
  ///
  /// - Parameter place: where a proxy listens that passes connections on to `target`; nil for none.
  func connect(at place: SocketAddress? = nil) async throws -> Connection {
    let place = place ?? target
    if let secured {
      guard case .tcp(let host, let port) = place else {
        preconditionFailure("TLS has an address with a port")
      }
      return try await Connection.connect(
        to: .tls(TLSAddress(host: host, port: port)), on: clientLoop, token: secured.token,
        hostKey: secured.fingerprint, timeout: .seconds(600))
    }
    // On a busy machine a slow server must not look like a silent one.
    return try await Connection.connect(
      to: .socket(place), on: clientLoop, timeout: .seconds(600))
  }

  /// Runs `body` with a server, and checks that everything ends after it.
  ///
  /// - Parameter relayed: whether clients reach the server through a relay.
  static func with<Value>(
    _ backend: SystemBackend, relayed: Bool = usesRelay,
    configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (Fixture) async throws -> Value
  ) async throws -> Value {
    let serverLoop = try backend.makeLoop(startsPrograms: true)
    let clientLoop = try backend.makeLoop()
    var configuration = ServerConfiguration()
    configuration.environment = ["PATH": "/usr/bin:/bin"]
    // On a busy machine a slow client must not look like a silent one.
    configuration.helloTimeout = 600_000_000_000
    configuration.link.lostAfter = 3_600_000_000_000
    let token = Token.random()
    if usesTLS { configuration.tokens = TokenSource(token) }
    configure(&configuration)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = Server(loops: [serverLoop], configuration: configuration, logger: logger)
    let path = "/tmp/telpher-test-\(UInt64.random(in: 0 ... .max)).sock"
    var address = try await server.listen(at: .unix(path: path))
    let relayLoop = relayed ? try backend.makeLoop() : nil
    var relay: RelayServer?
    if let relayLoop {
      let connection = try await Connection.connect(
        to: .socket(address), on: relayLoop, timeout: .seconds(600))
      var configuration = RelayConfiguration(
        address: "\(address)", version: "test", owner: geteuid(), keep: 3_600_000_000_000)
      configuration.helloTimeout = 600_000_000_000
      relay = try await RelayServer.start(
        over: connection, at: [.unix(path: path + ".relay")], client: nil, configuration)
      address = .unix(path: path + ".relay")
    }
    let secured = usesTLS && !relayed ? try await Secured(server, token) : nil
    let fixture = Fixture(
      server: server, clientLoop: clientLoop, address: address, secured: secured)
    let result: Result<Value, any Error>
    do { result = .success(try await body(fixture)) } catch { result = .failure(error) }
    await server.stop()
    await relay?.stop("the test is over")
    await serverLoop.shutDown()
    await relayLoop?.shutDown()
    await clientLoop.shutDown()
    // The connection to the server refers to the relay until its loop has ended.
    withExtendedLifetime(relay) {}
    return try result.get()
  }
}
