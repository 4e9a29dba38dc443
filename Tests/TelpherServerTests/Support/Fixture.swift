import Logging
import TelpherLink
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting

/// A server on one loop, and a second loop for its clients.
struct Fixture: Sendable {
  let server: Server
  let serverLoop: any EventLoop
  let clientLoop: any EventLoop
  let address: SocketAddress
  /// The network of the memory backend; nil for real sockets.
  let network: MemoryNetwork?

  /// A new connection that has sent nothing.
  func stranger() async throws -> RawPeer { try await .connect(to: address, on: clientLoop) }

  /// A new connection that has sent its HELLO and received the server's.
  func client(_ json: String = #"{"version":1}"#) async throws -> RawPeer {
    let peer = try await stranger()
    await peer.send(hello(json))
    try await peer.frame(1)
    return peer
  }

  /// A program that the test controls.
  func puppet(_ name: String = "puppet") -> Puppet {
    guard let loop = serverLoop as? MemoryLoop else { preconditionFailure("in memory only") }
    return Puppet(name, on: loop)
  }

  /// Runs `body` with a server in memory.
  static func inMemory(
    options: MemoryNetwork.Options = MemoryNetwork.Options(),
    logger: Logger? = nil, configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (Fixture) async throws -> Void
  ) async throws {
    let network = MemoryNetwork(options: options)
    try await with(
      MemoryLoop(network: network), MemoryLoop(network: network), network, logger, configure, body)
  }

  /// Runs `body` with a server over real sockets and processes.
  static func withProcesses(
    _ backend: SystemBackend, configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (Fixture) async throws -> Void
  ) async throws {
    try await with(
      backend.makeLoop(startsPrograms: true), backend.makeLoop(), nil, nil, configure,
      body)
  }

  private static func with(
    _ serverLoop: any EventLoop, _ clientLoop: any EventLoop, _ network: MemoryNetwork?,
    _ logger: Logger?, _ configure: (inout ServerConfiguration) -> Void,
    _ body: (Fixture) async throws -> Void
  ) async throws {
    var configuration = ServerConfiguration()
    configuration.environment = ["PATH": "/usr/bin:/bin", "KEPT": "yes", "GONE": "no"]
    // On a busy machine a slow client must not look like a silent one.
    configuration.helloTimeout = 600_000_000_000
    configuration.link.lostAfter = 3_600_000_000_000
    // A client that is refused has this long to close its side.
    configuration.link.lingerFor = 100_000_000
    configure(&configuration)
    var silent = Logger(label: "test")
    silent.logLevel = .critical
    let server = Server(
      loops: [serverLoop], configuration: configuration, logger: logger ?? silent)
    let path = "/tmp/telpher-raw-\(UInt64.random(in: 0 ... .max)).sock"
    let address = try await server.listen(at: .unix(path: path))
    let fixture = Fixture(
      server: server, serverLoop: serverLoop, clientLoop: clientLoop, address: address,
      network: network)
    let result: Result<Void, any Error>
    do { result = .success(try await body(fixture)) } catch { result = .failure(error) }
    await server.stop()
    await serverLoop.shutDown()
    await clientLoop.shutDown()
    try result.get()
  }
}

let job = String(repeating: "a1", count: 16)

/// An OPEN that runs the program `puppet`.
func puppet(_ stream: UInt32 = 1, noInput: Bool = true, _ more: String = "") -> [UInt8] {
  open(
    stream, #"{"op":"run","argv":["puppet"]\#(more.isEmpty ? "" : ",")\#(more)}"#, noInput: noInput)
}
