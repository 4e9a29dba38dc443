import Glibc
import Logging
import TelpherClient
import TelpherRelay
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// A server and a client in this process, each on its own loop, over a real socket. With
/// TELPHER_TEST_RELAY in the environment, clients reach the server through a relay.
struct Fixture {
  let server: Server
  let clientLoop: any EventLoop
  /// Where clients connect.
  let address: SocketAddress

  /// Whether clients reach the server through a relay.
  static let usesRelay = getenv("TELPHER_TEST_RELAY") != nil

  /// A new connection to the server.
  func connect() async throws -> Connection {
    // On a busy machine a slow server must not look like a silent one.
    try await Connection.connect(to: .socket(address), on: clientLoop, timeout: .seconds(600))
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
    let fixture = Fixture(server: server, clientLoop: clientLoop, address: address)
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
