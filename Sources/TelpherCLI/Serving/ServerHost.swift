internal import Glibc
internal import Logging
internal import TelpherAccess
internal import TelpherHandOver
internal import TelpherPolicy
internal import TelpherServer
internal import TelpherSockets
internal import TelpherTransport

/// Runs a server as this process: addresses, token, signals and shutdown.
struct ServerHost {
  let backend: any Backend
  let environment: [String: String]
  let tokenFile: String?
  let loops: Int
  /// How commands are started; nil for the backend's default.
  let spawn: SpawnMethod?
  let maxConnections: Int
  /// How long a connected client may be silent before it is disconnected; nil for no limit.
  let clientTimeout: Duration?
  /// How long the server waits for commands and transfers when it is to end; nil for the default.
  let drainLimit: Duration?
  /// The limits of every command.
  let limits: [ResourceLimit]
  let runsCommands: Bool
  let isReadOnly: Bool
  let forwardsConnections: Bool
  /// The value of `--jobs`; nil for the default folder.
  let jobsFolder: String?
  /// The values of `--keep-jobs` and `--keep-jobs-size`; nil leaves what the folder has.
  let keepsJobsFor: Duration?
  let keepsJobsIn: UInt64?
  /// The server to replace, if any.
  let predecessor: Predecessor
  let files: ServedFiles
  /// The host key and the client certificates, for `--listen tls:`.
  let tls: ServedTLS
  /// The value of `--audit`.
  let audit: AuditLog.Place?
  let isAuditRequired: Bool
  /// What each client may do; nil if all may do everything.
  let policy: ServedPolicy?
  /// Whether clients may register names.
  let isHub: Bool
  /// The hub that makes this server reachable, if there is one.
  let dialed: DialedHub?
  let logger: Logger

  /// Serves until a signal ends the server, or, with stdio, until its client disconnects.
  ///
  /// - Throws: `Failure` if an address is refused or in use, the root can't be opened or there is no
  ///   token; `TransportError` if the server can't listen for another reason.
  func serve(_ addresses: [ListenAddress]) async throws {
    // A server that dials and names no address listens nowhere.
    let sockets =
      dialed != nil && addresses.isEmpty
      ? [] : try ListenSockets.checked(addresses, environment: environment)
    var configuration = ServerConfiguration()
    configuration.maxConnections = maxConnections
    configuration.maxStrangers = min(configuration.maxStrangers, Self.descriptorsForStrangers)
    configuration.maxStrangersPerSource = max(1, configuration.maxStrangers * 3 / 4)
    configuration.runsCommands = runsCommands
    configuration.isReadOnly = isReadOnly
    configuration.forwardsConnections = forwardsConnections
    configuration.isHub = isHub
    if let clientTimeout {
      let limit = UInt64(clientTimeout / .nanoseconds(1))
      configuration.link.stoppedAfter = limit
      // Send a PING well before the limit: only an unanswered PING shows that the client is silent.
      configuration.link.pingAfter = min(configuration.link.pingAfter, limit / 3)
    }
    if let drainLimit { configuration.drainLimit = UInt64(drainLimit / .nanoseconds(1)) }
    configuration.commandLimits = limits
    configuration.environment = Environment.all()
    // It is for this process, not for its commands.
    configuration.environment[SystemString(ServiceManager.variable)] = nil
    configuration.name = Program.name
    configuration.jobs = jobs
    try setRetention()
    if let audit {
      do throws(AuditLog.Failure) {
        configuration.audit = try AuditLog(audit, isRequired: isAuditRequired)
      } catch {
        throw Failure(error.message)
      }
    }
    try files.configure(&configuration, environment: environment, logger)
    configuration.policy = try policy?.open(logger)
    if configuration.policy != nil, geteuid() == 0 {
      configuration.userKeys = UserKeyFiles()
      configuration.accounts = jobsPlace.map { AccountHostProcesses(jobs: $0) }
    }
    if sockets.contains(where: {
      $0.isOpenToStrangers && !($0.hasTLS && tls.clientAuthorities != nil)
    }) {
      configuration.tokens = try readOrMakeToken()
    }
    configuration.takesTokenOverTLS = tls.clientAuthorities == nil
    let usesTLS = dialed != nil || sockets.contains(where: \.hasTLS)
    if usesTLS { configuration.keys = tls.keys(environment: environment, logger) }
    if dialed != nil, configuration.policy?.current.policy.usesKeysOfUsers != true {
      try tls.requireClients(configuration.keys)
    }
    let secured = usesTLS ? try tls.open(environment: environment) : nil

    let parts = try backend.makeServerParts(loops: loops, spawn: spawn)
    try checkLimits(on: parts.loops[0])
    let signals = ServerSignals.watch(on: parts.loops[0], reapOrphans: parts.reapOrphans)
    if let policy, let source = configuration.policy {
      policy.reloadAtHangup(
        source, sockets: Self.unixSockets(sockets), on: parts.loops[0], logger)
    }
    let server = Server(loops: parts.loops, configuration: configuration, logger: logger)
    if addresses.contains(.stdio) {
      await Successor.refuse(on: parts.loops[0], "it serves standard input and output", logger)
      try await server.serve(reading: STDIN_FILENO, writing: STDOUT_FILENO)
      await signals.run(
        until: {
          await server.idle()
          // The client need not wait for the end of our standard error while a background process
          // of the command still runs.
          Descriptor.redirectErrorToNull()
          await server.unheld()
        }, ending: server, logger)
    } else {
      Hangup(tls: secured.map { (tls, $0) }, audit: configuration.audit)
        .watch(on: parts.loops[0], logger)
      try await serve(
        sockets, secured, configuration.policy, with: server, on: parts, signals)
    }
    // The loop that watches the signals keeps running. Without it the default action of the signals
    // would return, and a second SIGTERM would end this process with a signal instead of status 0.
    for loop in parts.loops.dropFirst() { await loop.shutDown() }
    parts.shutDown()
  }

  /// Listens at `sockets`, and serves until a signal ends the server, or until another process has
  /// replaced it and its clients have left.
  private func serve(
    _ sockets: [ListenSocket], _ secured: ServedTLS.Opened?, _ policy: PolicySource?,
    with server: Server,
    on parts: ServerParts, _ signals: ServerSignals
  ) async throws {
    guard parts.sharesSockets, !sockets.isEmpty else {
      let obstacle =
        sockets.isEmpty
        ? "it listens nowhere; another server with its name and identity takes the name over"
        : Self.sharesNothing
      try predecessor.refuse(obstacle)
      // Before the address is printed: SIGUSR2 may come from then on.
      await Successor.refuse(on: parts.loops[0], obstacle, logger)
      for socket in sockets {
        let bound = try await opened(socket.address) {
          try await server.listen(
            at: socket.address, over: socket.hasTLS ? secured?.door : nil)
        }
        ServedPolicy.open(
          Self.unixSockets([socket]), to: policy?.current, logger)
        try announce(socket.text(bound))
      }
      if let secured { try Announcement.print(hostKey: secured.fingerprint) }
      ServiceManager.notify("READY=1", environment)
      return try await DialingServer.run(
        server, dial: await startDial(server, secured, parts), until: nil, signals, logger)
    }
    let taker = try predecessor.find(at: sockets.map(\.address), logger)
    var opened: [HandOverGiver.Socket] = []
    for address in sockets.map(\.address) {
      opened.append(
        HandOverGiver.Socket(
          try await self.opened(address) {
            try taker?.socket(for: address)
              ?? ListeningSocket(address: address, backlog: Server.backlog)
          }, asked: address))
    }
    try taker?.ready()
    for (socket, asked) in zip(opened, sockets) {
      try await server.listen(on: socket.socket, over: asked.hasTLS ? secured?.door : nil)
    }
    ServedPolicy.open(
      Self.unixSockets(sockets), to: policy?.current, logger)
    taker?.serves()
    let successor = Successor(of: opened, environment: environment, logger)
    // Before the address is printed: SIGUSR2 may come from then on.
    await successor.await(on: parts.loops[0])
    for (socket, asked) in zip(opened, sockets) { try announce(asked.text(socket.socket.address)) }
    if let secured { try Announcement.print(hostKey: secured.fingerprint) }
    ServiceManager.notify("READY=1", environment)
    let dial = await startDial(server, secured, parts)
    try await DialingServer.run(
      ReplaceableServer(server: server, successor: successor), dial: dial,
      until: {
        guard await successor.hasTakenOver() else { return }
        dial?.cancel()
        await server.handOver()
        await server.idle()
        await server.unheld()
      }, signals, logger)
  }

  /// Begins to dial the hub, if there is one.
  private func startDial(
    _ server: Server, _ secured: ServedTLS.Opened?, _ parts: ServerParts
  ) async -> RunningDial? {
    guard let dialed, let secured else { return nil }
    return await dialed.start(for: server, over: secured.door, on: parts.loops[0])
  }

  /// The paths of those sockets that are Unix sockets.
  private static func unixSockets(_ sockets: [ListenSocket]) -> [String] {
    sockets.compactMap { socket in
      if case .unix(let path) = socket.address { path } else { nil }
    }
  }

  private static let sharesNothing =
    "the event loops of this program (telpher-nio) can't share a listening socket with another process"

  /// Opens a listening socket by `open`, and explains a failure.
  private func opened<Socket>(
    _ address: SocketAddress, by open: () async throws -> Socket
  ) async throws -> Socket {
    do {
      return try await open()
    } catch let error as TransportError
      where error.code == .addressInUse || error.code == .notPermitted
    {
      throw Failure("\(error.message); choose another address with --listen")
    }
  }

  private func announce(_ address: String) throws(Failure) {
    logger.info("listening", metadata: ["address": "\(address)"])
    try Announcement.print(address)
  }

  /// Checks that the system lets this server enforce the limits.
  private func checkLimits(on loop: any EventLoop) throws(Failure) {
    guard limits.contains(where: \.kind.isOfTree) else { return }
    let enforceable = loop.enforceableLimits
    guard let limit = limits.first(where: { !enforceable.contains($0.kind) }) else { return }
    let names = enforceable.map(\.optionName).sorted().joined(separator: ", ")
    throw Failure(
      "--limit \(limit.kind.optionName): this server has no control group with the controller for it; it can enforce \(names)"
    )
  }

  /// The folder of jobs; nil if there is none.
  private var jobsPlace: JobsPlace? {
    jobsFolder.map(JobsPlace.init) ?? JobsPlace(environment: environment)
  }

  /// Stores how long jobs are kept after their end.
  ///
  /// - Throws: `Failure`.
  private func setRetention() throws(Failure) {
    guard keepsJobsFor != nil || keepsJobsIn != nil, let place = jobsPlace else { return }
    try place.prepare()
    let file = RetentionFile(path: SystemString(place.retentionFile))
    var retention = file.read() ?? JobRetention()
    if let keepsJobsFor { retention.maxAgeMS = Int64(keepsJobsFor / .milliseconds(1)) }
    if let keepsJobsIn { retention.maxBytes = keepsJobsIn }
    do throws(ErrorNumber) { try file.write(retention) } catch {
      throw Failure("cannot write \(place.retentionFile): \(describe(errno: error.value))")
    }
  }

  private var jobs: JobService {
    guard let place = jobsPlace else {
      return .refused(
        "this server has no folder for jobs: neither XDG_STATE_HOME nor HOME is an absolute path; set one of them, or start 'telpher serve' with --jobs"
      )
    }
    return .passed(JobHostProcess(place: place))
  }

  /// The descriptors that unauthenticated connections at one listener may use: a quarter of the
  /// process's limit. The rest is for clients and their commands.
  private static var descriptorsForStrangers: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1 }
    return max(1, Int(min(limit.rlim_cur, 1 << 20)) / 4)
  }

  private func readOrMakeToken() throws(Failure) -> TokenSource {
    let file = TokenFile(ServerReach.tokenPath(tokenFile, environment))
    do throws(SecretFile.Failure) {
      _ = try file.readOrMake()
      logger.info("TCP clients must know the token", metadata: ["file": "\(file.file.path)"])
      return TokenSource(file)
    } catch {
      throw Failure(error.description)
    }
  }
}

/// The line on standard output that says that the server listens.
enum Announcement {
  /// Prints `listening on ADDRESS`.
  ///
  /// - Throws: `Failure` if standard output can't be written. A closed pipe is no error.
  static func print(_ address: some CustomStringConvertible) throws(Failure) {
    try print(line: "listening on \(address)")
  }

  /// Prints `registered at ADDRESS`, the address for clients.
  ///
  /// - Throws: as `print(_:)`.
  static func print(registered address: some CustomStringConvertible) throws(Failure) {
    try print(line: "registered at \(address)")
  }

  /// Prints `host key FINGERPRINT (ED25519)`.
  ///
  /// - Throws: as `print(_:)`.
  static func print(hostKey fingerprint: String) throws(Failure) {
    try print(line: "host key \(fingerprint) (ED25519)")
  }

  private static func print(line: String) throws(Failure) {
    do throws(Descriptor.CallError) {
      try Descriptor.output.write("\(line)\n")
    } catch {
      // The process that started this one may have ended; the server goes on.
      guard error.number == EPIPE else {
        throw Failure("cannot write standard output: \(error.text)")
      }
    }
  }
}
