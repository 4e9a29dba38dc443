internal import Glibc
internal import Logging
internal import TelpherClient
internal import TelpherFleet
internal import TelpherKeys
internal import TelpherServer
internal import TelpherTransport

/// Runs a worker as this process: its server, its journal, its policy, signals.
struct WorkerRun {
  let backend: any Backend
  let environment: [String: String]
  let fleet: FleetReach
  var settings: FleetWorker.Settings
  /// The folder of the worker's journal, of its jobs and of its socket; an absolute path.
  let state: String
  /// The file of the keys that may submit jobs.
  let authorizedKeys: String
  /// What each of them may run; nil if all may run everything.
  let policy: String?
  /// The value of `--advertise`; nil for the worker's address at its hub, or its own socket.
  let advertised: String?
  /// The hub that makes the worker reachable, if there is one.
  let dialed: DialedHub?
  let logger: Logger

  /// The socket of the worker's own server.
  private var socket: String { "\(state)/worker.sock" }

  /// Works until a signal ends it: the first lets jobs end, the second leaves them to the process that
  /// keeps them.
  ///
  /// - Throws: `Failure`.
  func run() async throws {
    InheritedSignals.setDispositions()
    try prepare()
    let journal: FleetJournal
    do throws(FleetError) {
      journal = try FleetJournal(in: state, now: Clock.now())
    } catch { throw Failure(error) }
    let parts = try backend.makeServerParts(loops: 1, spawn: nil)
    let loop = parts.loops[0]
    let signals = ServerSignals.watch(on: loop, reapOrphans: parts.reapOrphans)
    let server = try await startServer(on: parts)
    let policy = try openPolicy(loop)
    let check = try makeCheck(policy)
    let reached = try await serveAtHub(on: parts, policy)
    let engine = try await fleet.engine(on: loop)
    var settings = settings
    settings.address = advertised ?? dialed.map { "\($0.address)" } ?? "unix:\(socket)"
    settings.version = Program.version
    let logger = logger
    let path = socket
    let worker = FleetWorker(
      engine: engine, journal: journal,
      runner: ServerRunner {
        try await Connection.connect(to: Endpoint(parsing: "unix:\(path)"), on: loop)
      }, check: check, settings: settings,
      report: { logger.warning("\($0)") })
    let running = RunningWorker(worker)
    logger.info(
      "working", metadata: ["worker": "\(settings.name)", "slots": "\(settings.slots)"])
    try announce(settings)
    try await DialingServer.run(
      running, dial: reached?.dial, until: { await running.wait() }, signals, logger)
    await reached?.server.stop()
    await server.stop()
    if case .failure(let error)? = running.outcome { throw Failure(error) }
    parts.shutDown()
  }

  private func announce(_ settings: FleetWorker.Settings) throws(Failure) {
    let queues = (["@\(settings.name)"] + settings.groups.map(\.description)).joined(
      separator: ", ")
    try Descriptor.output.print("worker \(settings.name) takes jobs of \(queues)\n")
  }

  /// Makes the folder.
  private func prepare() throws(Failure) {
    // The socket of the process that keeps the jobs has the longest path.
    try JobsPlace("\(state)/jobs").prepare()
    if let fault = DefaultSocket(folder: state).faultOfFolder() {
      throw Failure("the folder of the worker can't be used: \(fault)")
    }
  }

  /// What the servers of the worker have in common.
  private var configuration: ServerConfiguration {
    var configuration = ServerConfiguration()
    configuration.environment = Environment.all()
    configuration.environment[SystemString(ServiceManager.variable)] = nil
    configuration.name = Program.name
    configuration.forwardsConnections = false
    configuration.jobs = .passed(JobHostProcess(place: JobsPlace("\(state)/jobs")))
    return configuration
  }

  private func startServer(on parts: ServerParts) async throws -> Server {
    let server = Server(
      loops: parts.loops, configuration: configuration,
      logger: EscapingLogHandler.logger(level: .error))
    _ = try await server.listen(at: .unix(path: socket))
    return server
  }

  /// Serves the clients that a hub passes on, and waits until the name is registered, or the hub can't be
  /// reached now.
  ///
  /// The worker's own server can't do that: its policy would be for the worker too, which uses it as any
  /// client does.
  ///
  /// - Throws: `Failure` if the hub refuses the name: no job was taken then.
  private func serveAtHub(
    on parts: ServerParts, _ policy: PolicySource?
  ) async throws -> (server: Server, dial: RunningDial)? {
    guard let dialed else { return nil }
    let tls = ServedTLS(hostKeyFile: "\(state)/host_key", authorizedKeys: authorizedKeys)
    var configuration = configuration
    configuration.policy = policy
    configuration.keys = tls.keys(environment: environment, logger)
    configuration.sharesOwnersJobs = true
    try ServedFiles.all.configure(&configuration, environment: environment, logger)
    try tls.requireClients(configuration.keys)
    let secured = try tls.open(environment: environment)
    let server = Server(loops: parts.loops, configuration: configuration, logger: logger)
    let dial = await dialed.start(for: server, over: secured.door, on: parts.loops[0])
    try await dial.settle()
    try Announcement.print(hostKey: secured.fingerprint)
    return (server, dial)
  }

  private func openPolicy(_ loop: any EventLoop) throws(Failure) -> PolicySource? {
    guard let policy else {
      // As with a policy, the signal ends nothing.
      let logger = logger
      loop.execute {
        _ = try? loop.watch(signal: SIGHUP) {
          logger.info(
            "nothing to read again: there is no policy, and keys are read when they change")
        }
      }
      return nil
    }
    let served = ServedPolicy(path: policy)
    let source = try served.open(logger)
    served.reloadAtHangup(source, sockets: [], on: loop, logger)
    return source
  }

  private func makeCheck(_ policy: PolicySource?) throws(Failure) -> JobCheck {
    let logger = logger
    let keys = AuthorizedKeysFile(authorizedKeys, home: environment["HOME"]) {
      logger.warning("ignoring a line of the authorized keys", metadata: ["why": "\($0)"])
    }
    do throws(KeyError) {
      if try keys.current().count == 0 {
        logger.warning("no key may submit jobs", metadata: ["file": "\(authorizedKeys)"])
      }
    } catch {
      throw Failure("the keys that may submit jobs can't be read: \(error)")
    }
    guard let policy else { return JobCheck(keys: keys, policy: nil) }
    return JobCheck(keys: keys, policy: { policy.current.policy })
  }
}

/// A worker that runs.
private final class RunningWorker: EndableServer {
  private let worker: FleetWorker
  private let task: Task<Void, any Error>
  private let ended = Monitor<Result<Void, any Error>?>(nil)

  init(_ worker: FleetWorker) {
    self.worker = worker
    task = Task { try await worker.run() }
  }

  /// How it has ended; nil if it has not, or if a second signal made it leave its jobs.
  var outcome: Result<Void, any Error>? { ended.withLock { $0 } }

  func wait() async {
    let outcome = await task.result
    // A worker that leaves its jobs because of a second signal has not failed.
    if case .failure = outcome, task.isCancelled { return }
    ended.withLock { $0 = outcome }
  }

  func endInOrder() async {
    worker.drain()
    await wait()
  }

  /// The jobs go on; a worker that is started again takes them up.
  func endAtOnce() async { task.cancel() }

  var remaining: String? { worker.busy == 0 ? nil : Amount.count(worker.busy, "running job") }
}
