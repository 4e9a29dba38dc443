internal import CTelpherSys
internal import Glibc
internal import Logging
internal import TelpherAccess
internal import TelpherClient
internal import TelpherRelay
internal import TelpherTransport

/// Runs a relay as this process: connects, detaches from its starter's terminal, and serves clients
/// until it is not used any more.
struct RelayHost {
  let backend: any Backend

  /// Runs it, with the starter's socket as standard input.
  ///
  /// - Returns: the exit status.
  func run() async -> Int32 {
    InheritedSignals.setDispositions()
    let starter = RelayChannel(
      descriptor: fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1))
    guard let settings = starter.receive(RelaySettings.self) else {
      Descriptor.complain("telpher starts this command itself; it is of no use by hand")
      return ExitStatus.failure
    }
    let diagnostics = DiagnosticPipe.install()
    let watch = StarterWatch(starter.descriptor)
    do {
      let server = try await start(settings, diagnostics, watch)
      detach(diagnostics)
      // If the starter is gone, the relay serves later clients.
      _ = starter.send(RelayOutcome())
      close(starter.descriptor)
      await serve(server)
      return 0
    } catch {
      // What ssh has written must be shown before this program's message.
      diagnostics?.detach()
      let clientError = error as? ClientError
      _ = starter.send(
        RelayOutcome(
          code: clientError?.code.description ?? RelayOutcome.ownFailure,
          message: clientError?.message ?? "\(error)"))
      return ExitStatus.failure
    }
  }

  private func start(
    _ settings: RelaySettings, _ diagnostics: DiagnosticPipe?, _ watch: StarterWatch
  ) async throws -> RelayServer {
    let timeout = settings.timeoutMS.map { Duration.milliseconds($0) }
    let connection: Connection
    switch try Endpoint(parsing: settings.address) {
    case .carrier(let carrier):
      connection = try await Installer(
        policy: settings.install, environment: settings.environment
      ).connect(to: carrier, on: try backend.makeClientLoop(startsPrograms: true), timeout: timeout)
    case let endpoint:
      connection = try await Connection.connect(
        to: endpoint, on: try backend.makeClientLoop(startsPrograms: false),
        token: try TokenFile(settings.tokenFile).read(), timeout: timeout)
    }
    _ = try await connection.serverHello()
    watch.stop()
    var configuration = RelayConfiguration(
      address: settings.address, version: RelayKey.build, owner: geteuid(),
      keep: UInt64(settings.keepMS) * 1_000_000)
    configuration.lastWords = { diagnostics?.lastLine ?? "" }
    return try await RelayServer.start(
      over: connection, at: [.unix(path: settings.socket)],
      client: .init(reading: STDIN_FILENO, writing: STDIN_FILENO), configuration)
  }

  /// Leaves the starter's terminal, folder and standard error.
  private func detach(_ diagnostics: DiagnosticPipe?) {
    setsid()
    _ = chdir("/")
    diagnostics?.detach()
    if diagnostics == nil { Descriptor.redirectErrorToNull() }
  }

  private func serve(_ server: RelayServer) async {
    let signals = ServerSignals.watch(on: server.loop, reapOrphans: nil)
    await signals.run(
      until: { await server.ended() }, ending: server, EscapingLogHandler.logger(level: .critical))
  }
}

extension RelayServer: EndableServer {
  func endInOrder() async { await drain() }
  func endAtOnce() async { await stop("'telpher disconnect' has ended the connection") }
  nonisolated var remaining: String? { nil }
}

/// Ends this process if its starter ends before the relay has connected: the user may have pressed
/// Ctrl-C at a question of ssh.
private struct StarterWatch {
  private let stopping: Int32

  /// Watches the socket `starter` from now on.
  init(_ starter: Int32) {
    var ends: [Int32] = [-1, -1]
    guard telpher_pipe(&ends) == 0 else {
      stopping = -1
      return
    }
    stopping = ends[1]
    let stopped = ends[0]
    _ = startThread {
      // POLLHUP is always reported.
      var entries = [
        pollfd(fd: starter, events: 0, revents: 0),
        pollfd(fd: stopped, events: Int16(POLLIN), revents: 0),
      ]
      while poll(&entries, 2, -1) < 0 && errno == EINTR {}
      if entries[1].revents == 0 { _exit(ExitStatus.failure) }
      close(stopped)
    }
  }

  /// Stops watching.
  func stop() { if stopping >= 0 { close(stopping) } }
}
