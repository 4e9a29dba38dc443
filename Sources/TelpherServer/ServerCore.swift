internal import Glibc
internal import Logging
internal import TelpherAccess
internal import TelpherCommand
internal import TelpherFileStore
internal import TelpherForward
internal import TelpherLink
internal import TelpherTLS
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

/// The part of a server on one loop: it accepts connections, owns them, starts their commands, and
/// enforces the limits. Use it only on its loop's thread; `ServerLoop` makes it callable from
/// others.
final class ServerCore {
  private enum Phase {
    /// Next: `replaced`, `draining`.
    case serving
    /// Another process takes the new clients; this one serves those that it has. Next: `draining`.
    case replaced
    /// Waits for the commands and file requests that still run. Next: `stopped`.
    case draining
    /// Everything was ended. File requests are not waited for, because a disk may hang. Final.
    case stopped
  }

  let configuration: ServerConfiguration
  let access: Access
  /// Whether it takes no further connections and streams.
  var isDraining: Bool { phase == .draining || phase == .stopped }
  /// Whether another process takes the new clients.
  var wasReplaced: Bool { phase == .replaced }

  /// The threads for file requests, shared by all loops of the server.
  let workers: FileWorkers
  let loop: any EventLoop
  let counters: ServerCounters
  /// Looks up the hosts that clients connect to.
  let lookup: HostLookup
  /// The names that clients have registered at all loops of the server.
  let registry: HubRegistry
  /// The jobs of all loops of the server.
  let table: JobTable
  let logger: Logger
  /// Logs refused clients.
  let refusals: RefusalLog
  var strangers: StrangerQuota
  /// Connections whose TLS handshake is under way.
  var arrivals: [ObjectIdentifier: TLSArrival] = [:]
  /// The memory that the TLS connections of this loop share.
  private(set) lazy var tlsMemory = TLSMemory()
  let startedAt: UInt64
  private var listeners: [any Listener] = []
  private(set) var connections: [ObjectIdentifier: ServerConnection] = [:]
  private var fileJobs = 0
  private var phase = Phase.serving
  private var drainTimer, leaveTimer: (any LoopTimer)?
  private var whenIdle: [() -> Void] = []
  /// Outputs of finished commands that background processes still hold.
  private(set) lazy var heldOutputs = HeldOutputs(loop: loop) { [unowned self] in checkUnheld() }
  private(set) lazy var leftBehind = LeftBehind(loop: loop) { [unowned self] in checkIdle() }
  private var whenUnheld: [() -> Void] = []
  let launches: LaunchLine
  /// The environment that commands start with.
  let environment: LaunchEnvironment
  let limitPolicy: LimitPolicy
  /// The durable jobs; nil unless this server is their host.
  private(set) lazy var keeper: JobKeeper? = {
    guard case .kept(let folder, let stored, let retention) = configuration.jobs else { return nil }
    return JobKeeper(folder, stored, retention, server: self, loop: loop)
  }()

  init(
    configuration: ServerConfiguration, loop: any EventLoop, loopCount: Int,
    counters: ServerCounters, table: JobTable, workers: FileWorkers, lookup: HostLookup,
    registry: HubRegistry, logger: Logger
  ) {
    self.registry = registry
    self.configuration = configuration
    access = Access(configuration)
    refusals = RefusalLog(logger, audit: configuration.audit, loop: loop)
    // Each loop gets an equal share of the limits: a new connection may arrive on any loop.
    strangers = StrangerQuota(
      perListener: max(1, configuration.maxStrangers / loopCount),
      perSource: max(1, configuration.maxStrangersPerSource / loopCount))
    self.loop = loop
    launches = LaunchLine(loop: loop)
    environment = LaunchEnvironment(configuration.environment)
    limitPolicy = LimitPolicy(configuration.commandLimits)
    self.counters = counters
    self.table = table
    self.workers = workers
    self.lookup = lookup
    self.logger = logger
    startedAt = loop.now
  }

  // MARK: Connections

  func serve(_ socket: any BoundSocket, _ door: TLSDoor?) throws(TransportError) {
    let entrance = Entrance(socket.address, door)
    let listener = try loop.serve(socket) { [unowned self] stream in
      if let door { greet(stream, at: entrance, door) } else { accept(stream, at: entrance) }
    }
    entrance.listener = listener
    listeners.append(listener)
  }

  /// An address at which this loop accepts connections, or a hub that passes them on.
  final class Entrance {
    /// The address; nil for a hub.
    let address: SocketAddress?
    /// The TLS of its connections; nil if they have none.
    let door: TLSDoor?
    fileprivate(set) weak var listener: (any Listener)?
    var pace = StrangerPace()

    init(_ address: SocketAddress?, _ door: TLSDoor?) {
      (self.address, self.door) = (address, door)
    }
  }

  /// Accepts a new connection. If the peer may not connect or a limit is reached, sends GOAWAY with
  /// the reason and closes the connection.
  ///
  /// - Parameter entrance: the listener that accepted it; nil for a connection over open
  ///   descriptors.
  func accept(_ stream: any ByteStream, at entrance: Entrance? = nil) {
    admit(stream, access.decide(stream.peer, at: entrance?.address), at: entrance)
  }

  /// Creates a connection as `decision` says.
  ///
  /// - Parameter hasWaited: whether the entrance has counted the peer as a stranger already.
  func admit(
    _ stream: any ByteStream, _ decision: Access.Decision, at entrance: Entrance?,
    hasWaited: Bool = false
  ) {
    switch decision {
    case .refused(let error, let cause):
      refusals.record(
        "refused a client",
        Refusal(
          peer: stream.peer, why: cause ?? error.message,
          tried: (stream as? TLSStream)?.triedNames ?? []))
      connection(over: stream, .strangers).refuse(error)
    case .known(let client):
      let isFull = !ServerCounters.book(counters.connections, limit: configuration.maxConnections)
      let connection = connection(over: stream, isFull ? .none : .connections, client: client)
      if isFull {
        refusals.record(
          "refused a client",
          Refusal(
            peer: stream.peer, why: "\(connectionLimitError)", tried: ["\(client.identity)"]))
        return connection.refuse(connectionLimitError)
      }
      begin(connection)
    case .mustProve(let prover, let keyCheck, let source):
      guard let entrance else { preconditionFailure("only a listener accepts strangers") }
      let connection = connection(
        over: stream, .strangers, at: entrance, prover: prover, keyCheck: keyCheck)
      if !hasWaited { count(strangerAt: entrance) }
      let evicted = place(ObjectIdentifier(connection), from: source, at: entrance)
      begin(connection)
      if let evicted { evict(evicted) }
    }
  }

  private func begin(_ connection: ServerConnection) {
    connection.start()
    if isDraining { connection.drain() }
  }

  private func connection(
    over stream: any ByteStream, _ quota: ConnectionState.Quota, at entrance: Entrance? = nil,
    client: Client = .owner, prover: TokenProver? = nil, keyCheck: KeyCheck? = nil
  ) -> ServerConnection {
    var hello = knownHello
    if prover != nil { hello.auth = .fresh() }
    var linkConfiguration = configuration.link
    linkConfiguration.openRoom = ServerOpenRoom(
      counters: counters, limit: configuration.maxOpenBytes)
    let link = Link(
      role: .server, stream: stream, loop: loop, hello: hello,
      helloPayload: prover == nil ? knownHelloPayload : nil, prover: prover,
      verifier: keyCheck, configuration: linkConfiguration)
    let agreement = (stream as? TLSStream)?.agreement
    let connection = ServerConnection(
      link: link, server: self, quota: quota, entrance: entrance,
      tls: agreement.map { "\($0.cipher), \($0.group)" }, client: client, keyCheck: keyCheck,
      logger: logger)
    connections[ObjectIdentifier(connection)] = connection
    return connection
  }

  /// The HELLO for a client whose transport identifies it.
  private lazy var knownHello = {
    var hello = Hello(
      window: configuration.window, connectionWindow: configuration.connectionWindow,
      maxStreams: configuration.maxStreams, server: configuration.name,
      killScope: loop.killScope.rawValue)
    hello.features =
      [WireConstants.unaskedFiles, WireConstants.namedPuts, WireConstants.socketChecks]
      + Session.serverFeatures
    return hello
  }()
  private lazy var knownHelloPayload = knownHello.encoded()

  func connectionDidEnd(_ connection: ServerConnection) {
    uncount(connection)
    connections[ObjectIdentifier(connection)] = nil
    checkIdle()
  }

  // MARK: File requests

  func fileJobDidStart() { fileJobs += 1 }

  func fileJobDidFinish() {
    fileJobs -= 1
    checkIdle()
  }

  /// Logs a failure of this server.
  func log(_ message: Logger.Message, _ details: Logger.Metadata) {
    logger.error(message, metadata: details)
  }

  // MARK: Shutdown

  /// The time from SIGTERM to `stop()`, once `drainLimit` has passed, in nanoseconds.
  private static let shutdownGrace = UInt64(RunRequest.defaultGraceMS) * 1_000_000

  /// Stops accepting connections and streams. After `drainLimit` ends the commands and file
  /// requests that still run.
  func drain() {
    guard !isDraining else { return }
    phase = .draining
    closeListeners()
    leaveTimer?.cancel()
    arrivals.values.forEach { $0.end(nil) }
    connections.values.forEach { $0.drain() }
    drainTimer = loop.schedule(after: configuration.drainLimit) { [unowned self] in
      table.jobs(on: loop).forEach { $0.end(.shutdown) }
      connections.values.forEach { $0.endFilesAndSockets() }
      // A client must not delay the shutdown by a long `grace_ms` or by reading slowly.
      drainTimer = loop.schedule(after: Self.shutdownGrace) { [unowned self] in stop() }
    }
    checkIdle()
  }

  private func closeListeners() {
    for listener in listeners { listener.close() }
    listeners = []
  }

  /// Stops accepting connections, and asks the clients to leave when they can.
  func handOver() {
    guard phase == .serving else { return }
    phase = .replaced
    closeListeners()
    connections.values.forEach { $0.askToLeave() }
    endIdleConnections()
  }

  private func endIdleConnections() {
    leaveTimer = loop.schedule(after: configuration.idleAfterReplacement / 6) { [unowned self] in
      connections.values.forEach { $0.endIfIdle() }
      endIdleConnections()
    }
  }

  /// Ends all commands and connections at once.
  func stop() {
    drain()
    // The partial files of requests that still run stay hidden.
    phase = .stopped
    table.jobs(on: loop).forEach { $0.kill(.shutdown) }
    connections.values.forEach { $0.link.abort() }
  }

  /// Calls `body` when no background process holds an output.
  func onUnheld(_ body: @escaping () -> Void) {
    whenUnheld.append(body)
    checkUnheld()
  }

  private func checkUnheld() {
    guard heldOutputs.isEmpty else { return }
    let waiting = whenUnheld
    whenUnheld = []
    waiting.forEach { $0() }
  }

  /// Calls `body` when no connections, commands or file requests are left.
  func onIdle(_ body: @escaping () -> Void) {
    whenIdle.append(body)
    checkIdle()
  }

  /// Whether no connections, commands, file requests or durable jobs are left.
  var isIdle: Bool {
    connections.isEmpty && arrivals.isEmpty && (fileJobs == 0 || phase == .stopped)
      && !table.hasJobs(on: loop) && (leftBehind.isEmpty || isDraining)
      && keeper?.hasLiveJobs != true
  }

  func checkIdle() {
    guard !whenIdle.isEmpty, isIdle else { return }
    if isDraining {
      heldOutputs.closeAll()
      leftBehind.endAll()
      checkUnheld()
    }
    drainTimer?.cancel()
    leaveTimer?.cancel()
    let waiting = whenIdle
    whenIdle = []
    waiting.forEach { $0() }
  }
}
