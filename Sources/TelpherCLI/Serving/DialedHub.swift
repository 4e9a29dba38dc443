internal import Glibc
internal import Logging
internal import TelpherClient
internal import TelpherServer
internal import TelpherTLS
internal import TelpherTransport

/// The hub that a server dials.
struct DialedHub: Sendable {
  /// The address of this server for clients.
  let address: HubAddress
  private let reach: DirectReach
  private let logger: Logger

  /// - Parameters:
  ///   - hub: the address of the hub, as a user writes it.
  ///   - identity: the ssh key to prove to it; nil for the usual ones.
  ///   - hostKey: the fingerprint of its host key; nil if it is known here.
  ///   - tokenFile: the value of `--token-file`, if there is one.
  /// - Throws: `Failure` or `ClientError` if the address is wrong.
  init(
    _ hub: String, as name: HubName, identity: String?, hostKey: String?, tokenFile: String?,
    environment: [String: String], _ logger: Logger
  ) throws {
    let endpoint = try HostName.server(hub, environment: environment).endpoint
    address = try HubAddress(hub: endpoint, name: name)
    var settings = ServerSettings()
    (settings.identity, settings.hostKey) = (identity, hostKey)
    settings.tokenFile = tokenFile
    if hostKey != nil || identity != nil { try settings.checkTLSOptions(for: endpoint) }
    reach = DirectReach(
      endpoint: endpoint, tls: settings.tls(environment, for: endpoint),
      tokenFile: ServerReach.tokenPath(tokenFile, environment),
      environment: Environment.all(), leadsToOwn: true, advice: .dialedHub)
    self.logger = logger
  }

  /// Begins to dial, on the server's first loop, and goes on until it is canceled.
  func start(
    for server: Server, over door: TLSDoor, on loop: any EventLoop
  ) async -> RunningDial {
    let entrance = await server.openHubEntrance(over: door)
    let (reach, address, logger) = (reach, address, logger)
    let isAnnounced = Monitor(false)
    let (events, didHappen) = AsyncStream.makeStream(of: Void.self)
    let dial = HubDial(
      address.name, connect: { try await reach.connect(on: loop) },
      admit: { entrance.admit($0) }
    ) { event in
      didHappen.yield()
      switch event {
      case .registered:
        logger.info("registered at the hub", metadata: ["address": "\(address)"])
        let isFirst = isAnnounced.withLock { isAnnounced in
          defer { isAnnounced = true }
          return !isAnnounced
        }
        if isFirst { try? Announcement.print(registered: address) }
      case .failed(let why, let next):
        logger.warning(
          "not registered at the hub; dials again",
          metadata: [
            "address": "\(address)", "why": "\(why)",
            "in": "\(next.wholeMilliseconds) ms",
          ])
      }
    }
    let task = Task {
      defer { didHappen.finish() }
      try await dial.run()
    }
    return RunningDial(task, to: address, events)
  }
}

/// A server that is being kept registered at a hub.
struct RunningDial: Sendable {
  private let task: Task<Void, any Error>
  private let address: HubAddress
  private let events: AsyncStream<Void>

  fileprivate init(
    _ task: Task<Void, any Error>, to address: HubAddress, _ events: AsyncStream<Void>
  ) {
    (self.task, self.address, self.events) = (task, address, events)
  }

  /// Returns when the first attempt has an outcome. Call it once.
  ///
  /// - Throws: `Failure` if the hub refuses it.
  func settle() async throws(Failure) {
    for await _ in events { return }
    try await wait()
  }

  /// Gives the name up. Connections that were let in go on.
  func cancel() { task.cancel() }

  /// Returns when the hub has refused the first attempt, or after `cancel()`.
  ///
  /// - Throws: `Failure` with the refusal.
  func wait() async throws(Failure) {
    do { try await task.value } catch {
      let failure = Failure(error)
      throw Failure("cannot serve at \(address): \(failure.message)", kind: failure.kind)
    }
  }
}

/// A server that dials a hub, and that signals end.
struct DialingServer: EndableServer {
  let server: any EndableServer
  let dial: RunningDial?

  func endInOrder() async {
    dial?.cancel()
    await server.endInOrder()
  }

  func endAtOnce() async { await server.endAtOnce() }
  var remaining: String? { server.remaining }

  /// Runs until a signal ends the server, `end` returns, or the hub refuses the first attempt.
  ///
  /// - Throws: `Failure` with the refusal; the server has ended.
  static func run(
    _ server: any EndableServer, dial: RunningDial?, until end: (@Sendable () async -> Void)?,
    _ signals: ServerSignals, _ logger: Logger
  ) async throws(Failure) {
    let own = DialingServer(server: server, dial: dial)
    guard let dial else { return await signals.run(until: end, ending: own, logger) }
    let refusal = Monitor<Failure?>(nil)
    await signals.run(
      until: {
        await withTaskGroup { group in
          group.addTask {
            do throws(Failure) {
              try await dial.wait()
              // It was canceled, so that something else ends the server.
              await Self.forever()
            } catch {
              refusal.withLock { $0 = error }
            }
          }
          if let end { group.addTask { await end() } }
          await group.next()
          group.cancelAll()
        }
      }, ending: own, logger)
    dial.cancel()
    guard let failure = refusal.withLock({ $0 }) else { return }
    await server.endAtOnce()
    throw failure
  }

  /// Returns when the task is canceled.
  private static func forever() async {
    while !Task.isCancelled { try? await Task.sleep(for: .seconds(3_600)) }
  }
}
