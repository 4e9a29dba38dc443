internal import Glibc
internal import Logging
internal import TelpherServer
internal import TelpherTransport

/// Runs the job host as this process: keeps the durable jobs of one folder, until some time after
/// the last of them has ended.
struct JobHostRun {
  let backend: any Backend
  let place: JobsPlace
  /// The path of the file that says how long jobs are kept.
  let retentionFile: String

  /// How long the host keeps running without jobs and clients, in intervals, and the interval at
  /// which it checks that.
  private static let idleLimit = 10
  private static let interval = Duration.seconds(1)
  /// How long to wait for an earlier host to end, or to listen.
  private static let patience = Duration.seconds(10)
  private static let pause = Duration.milliseconds(5)

  /// Runs it, with the starter's socket as standard input.
  ///
  /// - Returns: the exit status.
  func run() async -> Int32 {
    InheritedSignals.setDispositions()
    for number in [SIGHUP, SIGINT, SIGQUIT] { signal(number, SIG_IGN) }
    let starter = RelayChannel(
      descriptor: fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1))
    let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
    dup2(null, STDIN_FILENO)
    close(null)
    _ = chdir("/")
    do {
      guard try await takeLock() else {
        _ = starter.send(JobHostReport(isReady: true))
        return 0
      }
      try await serve(starter)
      return 0
    } catch {
      _ = starter.send(JobHostReport(isReady: false, message: Failure(error).message))
      return ExitStatus.failure
    }
  }

  /// Takes the lock, which this process holds until its end.
  ///
  /// - Returns: false if another host listens.
  /// - Throws: `Failure`.
  private func takeLock() async throws -> Bool {
    let file = open(place.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else {
      throw Failure("cannot open \(place.lock): \(describe(errno: errno))")
    }
    let end = ContinuousClock.now + Self.patience
    while flock(file, LOCK_EX | LOCK_NB) != 0 {
      if RelayPlace.process(listeningAt: place.socket) != nil { return false }
      guard ContinuousClock.now < end else {
        throw Failure("an earlier job host still runs but does not listen")
      }
      try await Task.sleep(for: Self.pause)
    }
    return true
  }

  private func serve(_ starter: RelayChannel) async throws {
    let folder: JobsFolder
    let stored: [StoredJob]
    do throws(JobsFolder.Failure) {
      folder = try JobsFolder(path: SystemString(place.folder))
      stored = try folder.load()
    } catch {
      throw Failure(error.message)
    }
    var configuration = ServerConfiguration()
    configuration.name = Program.name
    configuration.jobs = .kept(
      folder, stored, RetentionFile(path: SystemString(retentionFile)))
    configuration.servesServers = true
    // Each client of each server has a connection of its own.
    configuration.maxConnections = 16_384
    configuration.forwardsConnections = false
    // A signal that ends this process ends the commands; their results are recorded.
    configuration.drainLimit = 0
    let parts = try backend.makeServerParts(loops: 1, spawn: nil)
    let signals = ServerSignals.watch(on: parts.loops[0], reapOrphans: parts.reapOrphans)
    let logger = EscapingLogHandler.logger(level: .critical)
    let server = Server(loops: parts.loops, configuration: configuration, logger: logger)
    _ = try await server.listen(at: .unix(path: place.socket))
    _ = starter.send(JobHostReport(isReady: true))
    close(starter.descriptor)
    await signals.run(
      until: {
        await untilIdle(server)
        await server.drain()
      }, ending: server, logger)
    await server.unheld()
    parts.shutDown()
  }

  /// Returns when the host has had no jobs and no clients for some time, or when it has none and
  /// its folder was removed.
  private func untilIdle(_ server: Server) async {
    var idleFor = 0
    while idleFor < Self.idleLimit {
      do { try await Task.sleep(for: Self.interval) } catch { return }
      idleFor = await server.isIdle ? idleFor + 1 : 0
      if idleFor > 0, access(place.socket, F_OK) != 0 { return }
    }
  }
}
