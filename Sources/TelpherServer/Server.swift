public import Logging
internal import Synchronization
internal import TelpherFiles
public import TelpherTransport

/// A command server: any number of listeners and connections on one or more loops. From any thread.
///
/// The loops stay the caller's: they are to be shut down after `drain()` or `stop()`.
public final class Server: Sendable {
  private let loops: [ServerLoop]
  private let counters: ServerCounters
  /// How long running commands may go on once the server drains, in nanoseconds.
  public let drainLimit: UInt64
  private let sockets = Mutex<[any BoundSocket]>([])

  /// The length of a listening socket's queue (listen(2)); the system may cut it down.
  private static let backlog: Int32 = 1_024

  /// A server that listens nowhere yet.
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
      maxResults: configuration.maxKeptResults, keepFor: configuration.keepResultsFor)
    let workers = FileWorkers(configuration)
    self.loops = loops.enumerated().map { number, loop in
      ServerLoop(
        configuration: configuration, loop: loop, number: number, loopCount: loops.count,
        counters: counters, table: table, workers: workers, logger: logger)
    }
  }

  /// Listens at `address` on all loops.
  ///
  /// - Returns: the address with the real port.
  /// - Throws: `TransportError` where it can't be bound.
  public func listen(at address: SocketAddress) async throws -> SocketAddress {
    let socket = try await loops[0].bind(address, backlog: Self.backlog)
    do {
      for loop in loops { try await loop.serve(socket) }
    } catch {
      socket.close()
      throw error
    }
    sockets.withLock { $0.append(socket) }
    return socket.address
  }

  /// Serves one client over descriptors that are open already, standard input and output for one;
  /// they belong to the server from now on. Returns at once.
  ///
  /// - Throws: `TransportError` where they can't be used.
  public func serve(reading input: Int32, writing output: Int32) async throws {
    try await loops[0].serve(reading: input, writing: output)
  }

  /// Returns once no process that a command left in the background holds its output. Until then such
  /// outputs are read, so that the process is not ended by SIGPIPE.
  public func unheld() async {
    for loop in loops { await loop.unheld() }
  }

  /// Returns once no connection and no command is left.
  public func idle() async {
    for loop in loops { await loop.idle() }
  }

  /// The connections that are open and the commands that run.
  public var load: (connections: Int, commands: Int) {
    (
      counters.connections.load(ordering: .relaxed), counters.running.load(ordering: .relaxed)
    )
  }

  /// Takes no new connections and commands, lets the running ones finish or, after
  /// `ServerConfiguration.drainLimit`, ends them, and returns when nothing is left.
  public func drain() async {
    for loop in loops { await loop.drain() }
    closeSockets()
    await idle()
  }

  /// Ends all commands and connections at once, and returns when nothing is left. Also while a
  /// `drain()` is under way.
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
