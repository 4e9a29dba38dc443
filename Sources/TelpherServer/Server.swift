public import Logging
internal import Synchronization
internal import TelpherFileStore
internal import TelpherForward
package import TelpherTLS
internal import TelpherTransfer
public import TelpherTransport

/// A server for commands and files, with any number of listeners and connections on one or more
/// loops. Its methods may be called from any thread.
///
/// The caller owns the loops and shuts them down after `drain()` or `stop()` has returned.
public final class Server: Sendable {
  private let loops: [ServerLoop]
  private let counters: ServerCounters
  private let table: JobTable
  /// How long running commands may continue after `drain()` is called, in nanoseconds.
  public let drainLimit: UInt64
  private let sockets = Mutex<[any BoundSocket]>([])

  /// The length of a listening socket's queue (listen(2)); the system may lower it.
  package static let backlog: Int32 = 1_024

  /// Creates a server without listeners.
  ///
  /// - Parameter loops: at least one; each connection and its commands live on one of them.
  public init(
    loops: [any EventLoop], configuration: ServerConfiguration = ServerConfiguration(),
    logger: Logger = Logger(label: "telpher")
  ) {
    precondition(!loops.isEmpty, "a server needs a loop to live on")
    let counters = ServerCounters()
    self.counters = counters
    drainLimit = configuration.drainLimit
    let table = JobTable(
      maxRunning: configuration.maxCommands, maxResults: configuration.maxKeptResults,
      keepFor: configuration.keepResultsFor)
    self.table = table
    let workers = FileWorkers(configuration)
    let lookup = HostLookup(limit: configuration.sockets.maxLookups)
    let registry = HubRegistry(configuration.sockets)
    self.loops = loops.map { loop in
      ServerLoop(
        configuration: configuration, loop: loop, loopCount: loops.count, counters: counters,
        table: table, workers: workers, lookup: lookup, registry: registry, logger: logger)
    }
  }

  /// Listens at `address` on all loops.
  ///
  /// - Returns: the bound address; port 0 is replaced by the port that the system chose.
  /// - Throws: `TransportError` if the address can't be bound.
  public func listen(at address: SocketAddress) async throws -> SocketAddress {
    try await listen(at: address, over: nil)
  }

  /// Listens at `address` on all loops, with TLS if `door` is not nil.
  ///
  /// - Returns: the bound address; port 0 is replaced by the port that the system chose.
  /// - Throws: `TransportError` if the address can't be bound.
  package func listen(at address: SocketAddress, over door: TLSDoor?) async throws -> SocketAddress
  {
    let socket = try await loops[0].bind(address, backlog: Self.backlog)
    try await listen(on: socket, over: door)
    return socket.address
  }

  /// Accepts connections from `socket` on all loops, with TLS if `door` is not nil. The server closes
  /// the socket.
  ///
  /// - Throws: `TransportError` if the loops can't serve it; it is closed then.
  package func listen(on socket: any BoundSocket, over door: TLSDoor? = nil) async throws {
    do {
      for loop in loops { try await loop.serve(socket, door) }
    } catch {
      socket.close()
      throw error
    }
    sockets.withLock { $0.append(socket) }
  }

  /// Lets in clients whose bytes a hub passes on, with TLS. They are served on the first loop.
  package func openHubEntrance(over door: TLSDoor) async -> HubEntrance {
    await loops[0].openHubEntrance(door)
  }

  /// Stops accepting connections because another process does that now, and goes on to serve the
  /// clients that it has. Every connection that was taken from the sockets' queues is served here.
  ///
  /// The clients are asked to leave, and idle connections end after some time, so that `idle()`
  /// returns at last.
  package func handOver() async {
    for loop in loops { await loop.handOver() }
    closeSockets()
  }

  /// Serves one client over open descriptors, for example standard input and output. The server
  /// owns and closes them. Returns at once.
  ///
  /// - Throws: `TransportError` if the descriptors can't be used.
  public func serve(reading input: Int32, writing output: Int32) async throws {
    try await loops[0].serve(reading: input, writing: output)
  }

  /// Returns when no background process holds the output of a finished command any more. Until then
  /// the server reads such outputs, so that SIGPIPE does not end the process.
  public func unheld() async {
    for loop in loops { await loop.unheld() }
  }

  /// Returns when no connections, commands or file requests are left.
  public func idle() async {
    for loop in loops { await loop.idle() }
  }

  /// Whether there are no connections, commands and durable jobs at this moment.
  package var isIdle: Bool {
    get async {
      for loop in loops {
        guard await loop.isIdle else { return false }
      }
      return true
    }
  }

  /// The number of open connections and of running commands.
  public var load: (connections: Int, commands: Int) {
    (counters.connections.load(ordering: .relaxed), table.running)
  }

  /// Stops accepting connections and commands, waits for the running ones to finish, and ends those
  /// that still run after `ServerConfiguration.drainLimit`. Returns when nothing is left.
  public func drain() async {
    for loop in loops { await loop.drain() }
    closeSockets()
    await idle()
  }

  /// Ends all commands (SIGKILL) and connections at once, and returns when nothing is left. May be
  /// called during a `drain()`.
  public func stop() async {
    for loop in loops { await loop.stop() }
    closeSockets()
    await idle()
  }

  private func closeSockets() {
    let open = sockets.withLock { sockets in
      defer { sockets = [] }
      return sockets
    }
    open.forEach { $0.close() }
  }
}
