internal import Glibc
internal import Logging
internal import TelpherAccess
internal import TelpherServer
internal import TelpherTransport

/// A server as a program: its addresses, its token, its signals and its end.
struct ServerHost {
  let backend: any Backend
  let environment: [String: String]
  let tokenFile: String?
  let loops: Int
  /// What starts commands; nil for the usual way.
  let spawn: SpawnMethod?
  let maxConnections: Int
  /// After what silence a client is given up whose connection stands; nil for never.
  let clientTimeout: Duration?
  let runsCommands: Bool
  let isReadOnly: Bool
  let files: ServedFiles
  let logger: Logger

  /// Serves until it is told to end, or its one client on standard input and output has.
  ///
  /// - Throws: `Failure` where it can't listen or has no such root, `TransportError`.
  func serve(_ addresses: [ListenAddress]) async throws {
    let sockets = try sockets(addresses)
    var configuration = ServerConfiguration()
    configuration.maxConnections = maxConnections
    configuration.maxStrangers = min(configuration.maxStrangers, Self.descriptorsForStrangers)
    configuration.maxStrangersPerSource = max(1, configuration.maxStrangers * 3 / 4)
    configuration.runsCommands = runsCommands
    configuration.isReadOnly = isReadOnly
    if let clientTimeout {
      let limit = UInt64(clientTimeout / .nanoseconds(1))
      configuration.link.stoppedAfter = limit
      // It has to be asked before it can fail to answer.
      configuration.link.pingAfter = min(configuration.link.pingAfter, limit / 3)
    }
    configuration.environment = Environment.all()
    configuration.name = "telpher \(Program.version)"
    try files.configure(&configuration, environment: environment, logger)
    if sockets.contains(where: \.isTCP) { configuration.tokens = try readOrMakeToken() }

    let parts = try backend.makeServerParts(loops: loops, spawn: spawn)
    let signals = ServerSignals.watch(on: parts.loops[0], reapOrphans: parts.reapOrphans)
    let server = Server(loops: parts.loops, configuration: configuration, logger: logger)
    if addresses.contains(.stdio) {
      try await server.serve(reading: STDIN_FILENO, writing: STDOUT_FILENO)
      await signals.run(
        until: {
          await server.idle()
          // Who waits for the end of our standard error need not wait for a process that the command
          // left behind.
          Descriptor.letGoOfError()
          await server.unheld()
        }, ending: server, logger)
    } else {
      for address in sockets {
        let address = try await server.listen(at: address)
        logger.info("listening", metadata: ["address": "\(address)"])
        try Announcement.print(address)
      }
      await signals.run(until: nil, ending: server, logger)
    }
    // All but the loop that watches the signals: with it their default action would come back, and a
    // second SIGTERM end the process as if it had not ended in order.
    for loop in parts.loops.dropFirst() { await loop.shutDown() }
    parts.shutDown()
  }

  /// The sockets to listen on; their hosts and folders are checked.
  private func sockets(_ addresses: [ListenAddress]) throws(Failure) -> [SocketAddress] {
    if addresses.isEmpty {
      let socket = DefaultSocket(environment: environment)
      try socket.prepareFolder()
      try socket.holdLock()
      return [.unix(path: socket.path)]
    }
    var sockets: [SocketAddress] = []
    for case .socket(let address) in addresses {
      if case .tcp(let host, _) = address, !Host.isLoopback(host) {
        throw Failure(Loopback.refusal("\(address)"))
      }
      sockets.append(address)
    }
    return sockets
  }

  /// The descriptors that strangers at one listener may occupy: a quarter of the process's, so that
  /// the others are left for clients and their commands.
  private static var descriptorsForStrangers: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1 }
    return max(1, Int(min(limit.rlim_cur, 1 << 20)) / 4)
  }

  private func readOrMakeToken() throws(Failure) -> TokenSource {
    let file = TokenFile(ServerReach.tokenPath(tokenFile, environment))
    do throws(SecretFile.Failure) {
      _ = try file.readOrMake()
      logger.info("TCP clients need the token", metadata: ["file": "\(file.file.path)"])
      return TokenSource(file)
    } catch {
      throw Failure(error.description)
    }
  }
}

extension SocketAddress {
  /// Whether anyone who reaches the port can connect.
  fileprivate var isTCP: Bool {
    switch self {
    case .tcp: true
    case .unix: false
    }
  }
}
