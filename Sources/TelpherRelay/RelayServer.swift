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
  private var sockets: [any BoundSocket] = []
  private var listeners: [any Listener] = []
  private var endingAddress: SocketAddress?
  /// Whether it has stopped to listen for clients.
  private var hasMoved = false
  private var isOver = false
  private var waiters: [CheckedContinuation<Void, Never>] = []

  /// The length of the listening socket's queue: more than there may be clients.
  private static let backlog: Int32 = 128

  private init(over connection: Connection) {
    self.connection = connection
    loop = connection.loop
  }

  /// Open descriptors over which a client has connected; they may be the same.
  package struct Descriptors: Sendable {
    let input: Int32
    let output: Int32

    /// Descriptors to read from and to write to.
    package init(reading input: Int32, writing output: Int32) {
      self.input = input
      self.output = output
    }
  }

  /// Starts a relay over `connection`, which it takes over, and listens for clients.
  ///
  /// - Parameters:
  ///   - addresses: where it listens. Only the owner and root may use a Unix socket; clients on TCP
  ///     prove that they know the token.
  ///   - client: the descriptors of the first client, which the relay then owns; nil if there is
  ///     none.
  /// - Throws: `ClientError` if the connection has ended; `TransportError` if the relay can't listen.
  package static func start(
    over connection: Connection, at addresses: [SocketAddress], client: Descriptors?,
    _ configuration: RelayConfiguration
  ) async throws -> RelayServer {
    let hello = try await connection.serverHello()
    let server = RelayServer(over: connection)
    try await server.start(hello, at: addresses, client, configuration)
    return server
  }

  private func start(
    _ hello: Hello, at addresses: [SocketAddress], _ client: Descriptors?,
    _ configuration: RelayConfiguration
  ) throws {
    endingAddress = configuration.endingAddress
    do {
      for address in addresses { sockets.append(try loop.bind(to: address, backlog: Self.backlog)) }
      let first = try client.map { client throws(TransportError) in
        try loop.adopt(reading: client.input, writing: client.output)
      }
      let relay = try takeOver(hello, configuration)
      self.relay = relay
      for socket in sockets { try serve(socket) }
      if let first { relay.accept(first, at: nil) }
    } catch {
      closeSockets()
      throw error
    }
  }

  private func serve(_ socket: any BoundSocket) throws(TransportError) {
    let address = socket.address
    listeners.append(
      try loop.serve(socket) { [unowned self] stream in
        nonisolated(unsafe) let stream = stream
        assumeIsolated { $0.relay?.accept(stream, at: address) }
      })
  }

  /// Where it listens; port 0 is replaced by the port that the system chose.
  package var addresses: [SocketAddress] { sockets.map(\.address) }

  /// Why the connection to the server has ended; nil if it has not, or if this side has ended it.
  package var lossReason: String? { relay?.lossReason }

  /// Creates the relay, which handles the connection's streams from now on.
  private func takeOver(_ hello: Hello, _ configuration: RelayConfiguration) throws -> Relay {
    // The connection is an actor on this actor's loop. Its end can be later than this object's.
    nonisolated(unsafe) var relay: Relay?
    try connection.assumeIsolated { connection in
      let (link, explain) = try connection.handOver()
      relay = Relay(
        link, hello: hello, configuration,
        explain: { end, body in explain(end) { body($0.message) } },
        didClose: { [weak self] in self?.assumeIsolated { $0.moveSockets() } },
        didEnd: { [weak self] in self?.assumeIsolated { $0.didEnd() } })
    }
    guard let relay else { preconditionFailure("it was created above") }
    return relay
  }

  /// Stops listening for clients; from now on listens only at `endingAddress`, where the relay
  /// answers `telpher connections`.
  private func moveSockets() {
    guard !hasMoved else { return }
    hasMoved = true
    // Bind the new socket before the old one is closed, so that `telpher connections` finds the
    // relay at any moment.
    let ending = endingAddress.flatMap { try? loop.bind(to: $0, backlog: Self.backlog) }
    closeSockets()
    guard let ending else { return }
    sockets = [ending]
    try? serve(ending)
  }

  private func closeSockets() {
    listeners.forEach { $0.close() }
    listeners = []
    sockets.forEach { $0.close() }
    sockets = []
  }

  private func didEnd() {
    closeSockets()
    isOver = true
    let waiting = waiters
    waiters = []
    waiting.forEach { $0.resume() }
  }

  /// Accepts no further clients, and returns when the present ones are gone and the connection to
  /// the server has ended.
  package func drain() async {
    beginDraining()
    await ended()
  }

  /// Accepts no further clients, and ends after the present ones.
  package func beginDraining() { relay?.drain() }

  /// Ends all connections at once, with a reason for the clients, and returns when they have ended.
  package func stop(_ reason: String) async {
    beginStopping(reason)
    await ended()
  }

  /// Ends all connections at once, with a reason for the clients.
  package func beginStopping(_ reason: String) { relay?.stop(reason) }

  /// Returns when the relay has ended.
  package func ended() async {
    guard !isOver else { return }
    await withCheckedContinuation { waiter in
      if isOver { waiter.resume() } else { waiters.append(waiter) }
    }
  }
}
