package import TelpherClient
internal import TelpherLink
package import TelpherTransport
internal import TelpherWire

/// A relay on a loop, callable from any task: it serves local clients over one connection to a
/// server.
package actor RelayServer {
  package nonisolated let loop: any EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let connection: Connection
  private var relay: Relay?
  private var socket: (any BoundSocket)?
  private var listener: (any Listener)?
  private var isOver = false
  private var waiters: [CheckedContinuation<Void, Never>] = []

  /// The length of the listening socket's queue: more than there may be clients.
  private static let backlog: Int32 = 128

  private init(over connection: Connection) {
    self.connection = connection
    loop = connection.loop
  }

  /// Starts a relay over `connection`, which it takes over, and listens on a Unix socket.
  ///
  /// - Parameters:
  ///   - path: the socket. Its folder must be private: every process of this user, and no other,
  ///     may use the relay.
  ///   - client: the socket of the first client, which the relay then owns; nil if there is none.
  /// - Throws: `ClientError` if the connection has ended; `TransportError` if the relay can't listen.
  package static func start(
    over connection: Connection, at path: String, client: Int32?,
    _ configuration: RelayConfiguration
  ) async throws -> RelayServer {
    let hello = try await connection.serverHello()
    let server = RelayServer(over: connection)
    try await server.start(hello, at: path, client, configuration)
    return server
  }

  private func start(
    _ hello: Hello, at path: String, _ client: Int32?, _ configuration: RelayConfiguration
  ) throws {
    let socket = try loop.bind(to: .unix(path: path), backlog: Self.backlog)
    do {
      let first = try client.map { descriptor throws(TransportError) in
        try loop.adopt(reading: descriptor, writing: descriptor)
      }
      let relay = try takeOver(hello, configuration)
      self.relay = relay
      self.socket = socket
      listener = try loop.serve(socket) { [unowned self] stream in
        nonisolated(unsafe) let stream = stream
        assumeIsolated { $0.relay?.accept(stream) }
      }
      if let first { relay.accept(first) }
    } catch {
      socket.close()
      throw error
    }
  }

  /// Creates the relay, which handles the connection's streams from now on.
  private func takeOver(_ hello: Hello, _ configuration: RelayConfiguration) throws -> Relay {
    // The connection is an actor on this actor's loop.
    nonisolated(unsafe) var relay: Relay?
    try connection.assumeIsolated { connection in
      let (link, explain) = try connection.handOver()
      relay = Relay(
        link, hello: hello, configuration,
        explain: { end, body in explain(end) { body($0.message) } },
        didClose: { [unowned self] in assumeIsolated { $0.closeSocket() } },
        didEnd: { [unowned self] in assumeIsolated { $0.didEnd() } })
    }
    guard let relay else { preconditionFailure("it was created above") }
    return relay
  }

  private func closeSocket() {
    listener?.close()
    listener = nil
    socket?.close()
    socket = nil
  }

  private func didEnd() {
    isOver = true
    let waiting = waiters
    waiters = []
    waiting.forEach { $0.resume() }
  }

  /// Accepts no further clients, and returns when the present ones are gone and the connection to
  /// the server has ended.
  package func drain() async {
    relay?.drain()
    await ended()
  }

  /// Ends all connections at once, with a reason for the clients, and returns when they have ended.
  package func stop(_ reason: String) async {
    relay?.stop(reason)
    await ended()
  }

  /// Returns when the relay has ended.
  package func ended() async {
    guard !isOver else { return }
    await withCheckedContinuation { waiter in
      if isOver { waiter.resume() } else { waiters.append(waiter) }
    }
  }
}
