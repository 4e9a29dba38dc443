import Logging
import TelpherAccess
import TelpherClient
import TelpherKeys
import TelpherServer
import TelpherTLS
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

/// A hub, and a server that dials it, each on its own loop of this process. Clients prove the token of
/// that server, which the hub does not know.
struct HubStage {
  let backend: SystemBackend
  let clientLoop: any EventLoop
  /// Where the hub listens.
  let hub: SocketAddress
  /// The server behind the hub.
  let server: Server
  let address: HubAddress
  private let token: Token
  private let fingerprint: String
  private let dial: Task<Void, any Error>

  /// Runs `body` with a hub and a server that is registered at it.
  ///
  /// - Parameter hubLoops: the number of loops of the hub.
  static func with(
    _ backend: SystemBackend, hubLoops: Int = 1,
    _ body: (HubStage) async throws -> Void
  ) async throws {
    let loops = try (0..<hubLoops).map { _ in try backend.makeLoop() }
    let serverLoop = try backend.makeLoop(startsPrograms: true)
    let clientLoop = try backend.makeLoop()
    var silent = Logger(label: "test")
    silent.logLevel = .critical
    var configuration = ServerConfiguration()
    configuration.isHub = true
    configuration.runsCommands = false
    configuration.helloTimeout = 600_000_000_000
    configuration.sockets.hubAnswerTimeout = 600_000_000_000
    let hub = Server(loops: loops, configuration: configuration, logger: silent)
    let listening = try await hub.listen(
      at: .unix(path: "/tmp/telpher-hub-\(UInt64.random(in: 0 ... .max)).sock"))

    let token = Token.random()
    var own = ServerConfiguration()
    own.environment = ["PATH": "/usr/bin:/bin"]
    own.tokens = TokenSource(token)
    own.helloTimeout = 600_000_000_000
    let server = Server(loops: [serverLoop], configuration: own, logger: silent)
    let key = HostKey.random()
    let entrance = await server.openHubEntrance(over: TLSDoor(try TLSContext(server: key)))
    let name = try #require(HubName("web"))
    let (registered, isRegistered) = AsyncStream.makeStream(of: Void.self)
    let dial = HubDial(
      name,
      connect: {
        try await Connection.connect(
          to: .socket(listening), on: serverLoop, timeout: .seconds(600))
      }, admit: { entrance.admit($0) }
    ) { event in
      if case .registered = event { isRegistered.yield() }
    }
    let task = Task { try await dial.run() }
    for await _ in registered { break }
    let stage = HubStage(
      backend: backend, clientLoop: clientLoop, hub: listening, server: server,
      address: try HubAddress(hub: .socket(listening), name: name), token: token,
      fingerprint: try #require(SSHPublicKey(ed25519: key.publicKey)).fingerprint, dial: task)
    let result: Result<Void, any Error>
    do { result = .success(try await body(stage)) } catch { result = .failure(error) }
    task.cancel()
    await server.stop()
    await hub.stop()
    for loop in loops + [serverLoop, clientLoop] { await loop.shutDown() }
    try result.get()
  }

  /// Connects to the server through the hub.
  ///
  /// - Parameters:
  ///   - place: where the hub is reached; nil for where it listens.
  ///   - hostKey: the fingerprint that the client expects; nil for the right one.
  func connect(
    at place: SocketAddress? = nil, name: String = "web", hostKey: String? = nil
  ) async throws -> Connection {
    let way = try await Connection.connect(
      to: .socket(place ?? hub), on: clientLoop, timeout: .seconds(600))
    return try await Connection.connect(
      to: HubAddress(hub: .socket(hub), name: try #require(HubName(name))), over: way,
      hostKey: HostKeyCheck(fingerprint: hostKey ?? fingerprint), proof: .token(token),
      timeout: .seconds(600))
  }
}
