internal import Glibc
internal import Logging
internal import TelpherServer
internal import TelpherTransport

/// The life of a process that `HostProcess` has started: it reports whether it listens, serves the clients
/// that servers pass on, and ends some time after the last of them.
struct HostRun {
  /// Reaches the process that has started this one.
  private let starter: RelayChannel

  /// How long the process keeps running without commands and clients, in intervals, and the interval at
  /// which it checks that.
  private static let idleLimit = 10
  private static let interval = Duration.seconds(1)

  /// Takes the starter's socket from standard input, which becomes /dev/null, and ignores the signals of a
  /// terminal.
  init() {
    InheritedSignals.setDispositions()
    for number in [SIGHUP, SIGINT, SIGQUIT] { signal(number, SIG_IGN) }
    starter = RelayChannel(
      descriptor: fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1))
    let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
    dup2(null, STDIN_FILENO)
    close(null)
  }

  /// Runs `body`, and reports its error to the starter.
  ///
  /// - Returns: the exit status.
  func run(_ body: () async throws -> Void) async -> Int32 {
    do {
      try await body()
      return 0
    } catch {
      _ = starter.send(JobHostReport(isReady: false, message: Failure(error).message))
      return ExitStatus.failure
    }
  }

  /// Reports to the starter that a process listens.
  func reportReady() { _ = starter.send(JobHostReport(isReady: true)) }

  /// Serves until the process has had no commands and no clients for some time, or until a signal.
  ///
  /// - Parameters:
  ///   - listen: makes the server listen.
  ///   - isAbandoned: whether no client can come any more; called when there are none.
  func serve(
    _ configuration: ServerConfiguration, on parts: ServerParts,
    isAbandoned: @escaping @Sendable () -> Bool = { false },
    listen: (Server) async throws -> Void
  ) async throws {
    var configuration = configuration
    configuration.name = Program.name
    configuration.servesServers = true
    // Each client of each server has a connection of its own.
    configuration.maxConnections = 16_384
    // A signal that ends this process ends its commands at once.
    configuration.drainLimit = 0
    let signals = ServerSignals.watch(on: parts.loops[0], reapOrphans: parts.reapOrphans)
    let logger = EscapingLogHandler.logger(level: .critical)
    let server = Server(loops: parts.loops, configuration: configuration, logger: logger)
    try await listen(server)
    reportReady()
    close(starter.descriptor)
    await signals.run(
      until: {
        await Self.untilIdle(server, isAbandoned)
        await server.drain()
      }, ending: server, logger)
    await server.unheld()
    parts.shutDown()
  }

  private static func untilIdle(_ server: Server, _ isAbandoned: @Sendable () -> Bool) async {
    var idleFor = 0
    while idleFor < idleLimit {
      do { try await Task.sleep(for: interval) } catch { return }
      idleFor = await server.isIdle ? idleFor + 1 : 0
      if idleFor > 0, isAbandoned() { return }
    }
  }
}
