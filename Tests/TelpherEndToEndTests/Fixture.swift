import Logging
import TelpherClient
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// A server and a client in this process, each on its own loop, over a real socket.
struct Fixture {
  let server: Server
  let clientLoop: any EventLoop
  let address: SocketAddress

  /// A new connection to the server.
  func connect() async throws -> Connection {
    // On a busy machine a slow server must not look like a silent one.
    try await Connection.connect(to: .socket(address), on: clientLoop, timeout: .seconds(600))
  }

  /// Runs `body` with a server, and checks that everything ends after it.
  static func with<Value>(
    _ backend: SystemBackend,
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
    let address = try await server.listen(at: .unix(path: path))
    let fixture = Fixture(server: server, clientLoop: clientLoop, address: address)
    let result: Result<Value, any Error>
    do { result = .success(try await body(fixture)) } catch { result = .failure(error) }
    await server.stop()
    await serverLoop.shutDown()
    await clientLoop.shutDown()
    return try result.get()
  }
}
