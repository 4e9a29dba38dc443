import Glibc
import TelpherClient
import TelpherRelay
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import Testing

/// A relay between a server and clients, which the test controls byte by byte.
struct RelayFixture: Sendable {
  let relay: RelayServer
  /// The server's end of the relay's connection.
  let server: RawPeer
  private let clientLoop: any EventLoop

  /// A new client that has sent its HELLO and received the relay's.
  func client(_ greeting: String = #"{"version":1}"#) async throws -> RawPeer {
    let client = try await RawPeer.connect(to: .unix(path: "/relay"), on: clientLoop)
    await client.send(hello(greeting))
    try await client.frame(1)
    return client
  }

  /// A new client that has sent nothing.
  func silentClient(
    at address: SocketAddress = .unix(path: "/relay")
  ) async throws -> RawPeer {
    try await RawPeer.connect(to: address, on: clientLoop)
  }

  /// Opens a stream to the server for the first stream of a new client.
  ///
  /// - Parameter far: the number that the relay gives the stream to the server.
  func open(_ far: UInt32, noInput: Bool = false, _ greeting: String = #"{"version":1}"#)
    async throws -> RawPeer
  {
    let client = try await client(greeting)
    await client.send(TelpherTestSupport.open(1, #"{"op":"x"}"#, noInput: noInput))
    try await server.frame(2, far)
    return client
  }

  /// Runs `body` with a relay whose server has sent `greeting`.
  static func with(
    _ greeting: String = #"{"version":1,"server":"telpher 9","kill_scope":"cgroup"}"#,
    configure: (inout RelayConfiguration) -> Void = { _ in },
    _ body: (RelayFixture) async throws -> Void
  ) async throws {
    let network = MemoryNetwork()
    let loops = (0..<3).map { _ in MemoryLoop(network: network) }
    // Links refer to the relay until their loop has ended.
    var kept: RelayServer?
    let result: Result<Void, any Error>
    do {
      let entrance = Entrance(loop: loops[0])
      try await entrance.open()
      let connection = try await Connection.connect(
        to: .socket(.unix(path: "/server")), on: loops[1], timeout: .seconds(600))
      let server = await entrance.peer()
      await server.send(hello(greeting))
      var configuration = RelayConfiguration(
        address: "ssh://host", version: "v", owner: geteuid(), keep: 3_600_000_000_000)
      // On a busy machine a client may be slow.
      configuration.helloTimeout = 600_000_000_000
      configure(&configuration)
      let relay = try await RelayServer.start(
        over: connection, at: [.unix(path: "/relay")], client: nil, configuration)
      kept = relay
      try await body(RelayFixture(relay: relay, server: server, clientLoop: loops[2]))
      result = .success(())
    } catch {
      result = .failure(error)
    }
    for loop in loops { await loop.shutDown() }
    withExtendedLifetime(kept) {}
    try result.get()
  }
}

/// Accepts the relay's connection.
private actor Entrance {
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private var accepted: RawPeer?
  private var waiter: CheckedContinuation<RawPeer, Never>?
  private var listener: (any Listener)?

  init(loop: any EventLoop) { self.loop = loop }

  func open() throws {
    let socket = try loop.bind(to: .unix(path: "/server"), backlog: 1)
    listener = try loop.serve(socket) { [self] stream in
      nonisolated(unsafe) let stream = stream
      assumeIsolated { $0.accept(stream) }
    }
  }

  private func accept(_ stream: any ByteStream) {
    let peer = RawPeer.adopt(stream, on: loop)
    accepted = peer
    waiter?.resume(returning: peer)
    waiter = nil
  }

  func peer() async -> RawPeer {
    if let accepted { return accepted }
    return await withCheckedContinuation { continuation in
      if let accepted { continuation.resume(returning: accepted) } else { waiter = continuation }
    }
  }
}
