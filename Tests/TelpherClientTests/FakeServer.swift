import TelpherClient
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting

/// A server whose bytes the test controls, and a client that is connected to it.
struct FakeServer: Sendable {
  let connection: Connection
  let peer: RawPeer
  let network: MemoryNetwork

  /// Runs `body` with a server, which has sent its HELLO if `greets` is true.
  ///
  /// - Parameter trustedUsers: the users whose servers the client accepts, besides its own and
  ///   root.
  static func with(
    greets: Bool = true, prepare: (MemoryNetwork) -> Void = { _ in },
    trustedUsers: Set<UInt32> = [],
    _ body: (FakeServer) async throws -> Void
  ) async throws {
    let network = MemoryNetwork()
    prepare(network)
    let loop = MemoryLoop(network: network)
    let serverLoop = MemoryLoop(network: network)
    let result: Result<Void, any Error>
    do {
      let door = Door(loop: serverLoop)
      try await door.open()
      let connection = try await Connection.connect(
        to: .socket(.unix(path: "/fake")), on: loop, trustedUsers: trustedUsers,
        timeout: .seconds(600))
      let peer = await door.peer()
      if greets { await peer.send(hello()) }
      try await body(FakeServer(connection: connection, peer: peer, network: network))
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await loop.shutDown()
    await serverLoop.shutDown()
    try result.get()
  }
}

/// Accepts connections.
actor Door {
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private var taken: [RawPeer] = []
  private var waiters: [Int: CheckedContinuation<RawPeer, Never>] = [:]
  private var listener: (any Listener)?

  init(loop: any EventLoop) { self.loop = loop }

  func open(at address: SocketAddress = .unix(path: "/fake")) throws {
    let socket = try loop.bind(to: address, backlog: 16)
    listener = try loop.serve(socket) { [self] stream in
      let peer = RawPeer.adopt(stream, on: loop)
      assumeIsolated { $0.take(peer) }
    }
  }

  private func take(_ peer: RawPeer) {
    taken.append(peer)
    waiters.removeValue(forKey: taken.count - 1)?.resume(returning: peer)
  }

  /// The number of connections so far.
  var count: Int { taken.count }

  /// Waits for the connection of this number and returns its server end. The first number is 0.
  func peer(_ number: Int = 0) async -> RawPeer {
    await withCheckedContinuation { continuation in
      if number < taken.count {
        continuation.resume(returning: taken[number])
      } else {
        waiters[number] = continuation
      }
    }
  }
}
