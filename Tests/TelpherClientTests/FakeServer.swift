import TelpherClient
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting

/// A server that says what the test says, in bytes, and a client connected to it.
struct FakeServer: Sendable {
  let connection: Connection
  let peer: RawPeer
  let network: MemoryNetwork

  /// Runs `body` with a server that has said HELLO, if it `greets`.
  ///
  /// - Parameter trustedUsers: whom the client lets listen besides its own user and root.
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
        to: .socket(.unix(path: "/fake")), on: loop, trustedUsers: trustedUsers)
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

/// Takes one connection.
actor Door {
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private var taken: RawPeer?
  private var waiter: CheckedContinuation<RawPeer, Never>?
  private var listener: (any Listener)?

  init(loop: any EventLoop) { self.loop = loop }

  func open(at address: SocketAddress = .unix(path: "/fake")) throws {
    let socket = try loop.bind(to: address, backlog: 1)
    listener = try loop.serve(socket) { [self] stream in
      let peer = RawPeer.adopt(stream, on: loop)
      assumeIsolated { $0.take(peer) }
    }
  }

  private func take(_ peer: RawPeer) {
    taken = peer
    waiter?.resume(returning: peer)
    waiter = nil
  }

  func peer() async -> RawPeer {
    await withCheckedContinuation { continuation in
      if let taken { continuation.resume(returning: taken) } else { waiter = continuation }
    }
  }
}
