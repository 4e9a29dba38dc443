internal import CTelpherSys
internal import Glibc
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
      Descriptor.complain("telpher starts this command itself; do not run it by hand")
      return ExitStatus.failure
    }
    let diagnostics = DiagnosticPipe.install()
    do {
      let server = try await start(settings, diagnostics, starter.descriptor)
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
          message: clientError?.message ?? "\(error)", signal: clientError?.signal))
      return ExitStatus.failure
    }
  }

  private func start(
    _ settings: RelaySettings, _ diagnostics: DiagnosticPipe?, _ starter: Int32
  ) async throws -> RelayServer {
    let endpoint = try Endpoint(parsing: settings.address)
    let loop = try backend.makeClientLoop(startsPrograms: endpoint.usesCarrier)
    let watch = StarterWatch(starter)
    let connection = try await ConnectingSignals.interruptible(
      on: loop, alsoBy: { watch.start(calling: $0) }
    ) {
      try await Self.connect(to: endpoint, on: loop, settings)
    }
    watch.stop()
    var configuration = RelayConfiguration(
      address: settings.address, version: RelayKey.build, owner: geteuid(),
      keep: UInt64(settings.keepMS) * 1_000_000)
    configuration.endingAddress = RelayPlace.endingSocket(beside: settings.socket).map {
      .unix(path: $0)
    }
    configuration.drainAfterSilence = UInt64(Connection.defaultTimeout / .nanoseconds(1))
    configuration.lastWords = { diagnostics?.lastLine ?? "" }
    return try await RelayServer.start(
      over: connection, at: [.unix(path: settings.socket)],
      client: .init(reading: STDIN_FILENO, writing: STDIN_FILENO), configuration)
  }

  private static func connect(
    to endpoint: Endpoint, on loop: any EventLoop, _ settings: RelaySettings
  ) async throws -> Connection {
    let connection = try await DirectReach(
      endpoint: endpoint, tls: settings.tls, tokenFile: settings.tokenFile,
      timeout: settings.timeoutMS.map { Duration.milliseconds($0) }, install: settings.install,
      asks: settings.asks, environment: settings.environment.variables
    ).connect(on: loop)
    _ = try await connection.serverHello()
    return connection
  }

  /// Leaves the starter's terminal, folder, file mode mask and standard error.
  private func detach(_ diagnostics: DiagnosticPipe?) {
    setsid()
    _ = chdir("/")
    umask(0o077)
    diagnostics?.detach()
    if diagnostics == nil { Descriptor.redirectErrorToNull() }
  }

  /// Serves until the relay has ended. SIGTERM makes it end after its clients, however often it
  /// comes; SIGINT ends it at once.
  private func serve(_ server: RelayServer) async {
    server.loop.execute {
      _ = try? server.loop.watch(signal: SIGTERM) { server.assumeIsolated { $0.beginDraining() } }
      _ = try? server.loop.watch(signal: SIGINT) {
        server.assumeIsolated {
          $0.beginStopping("'telpher disconnect' has ended the connection")
        }
      }
    }
    await server.ended()
  }
}

/// Notices that the starter ends before the relay has connected.
private struct StarterWatch {
  private let starter: Int32
  /// The pipe whose end of file stops the watch; -1 if there are no descriptors.
  private let (stopped, stopping): (Int32, Int32)

  /// After the starter has ended, the attempt to connect must end within this time, in
  /// milliseconds. It is longer than the time that ssh gets to end.
  private static let endTimeout: Int32 = 5_000

  /// A watch of the socket `starter`.
  init(_ starter: Int32) {
    self.starter = starter
    var ends: [Int32] = [-1, -1]
    (stopped, stopping) = telpher_pipe(&ends) == 0 ? (ends[0], ends[1]) : (-1, -1)
  }

  /// Calls `didEnd` if the starter ends from now on, and later ends this process in any case.
  func start(calling didEnd: @escaping @Sendable () -> Void) {
    guard stopped >= 0 else { return }
    let (starter, stopped) = (starter, stopped)
    _ = startThread {
      // POLLHUP is always reported.
      var entries = [
        pollfd(fd: starter, events: 0, revents: 0),
        pollfd(fd: stopped, events: Int16(POLLIN), revents: 0),
      ]
      while poll(&entries, 2, -1) < 0 && errno == EINTR {}
      if entries[1].revents == 0 {
        didEnd()
        // Until `stop()`, which is not called after a failure: the process ends then.
        while poll(&entries[1], 1, Self.endTimeout) < 0 && errno == EINTR {}
        if entries[1].revents == 0 { _exit(ExitStatus.failure) }
      }
      close(stopped)
    }
  }

  /// Stops watching.
  func stop() { if stopping >= 0 { close(stopping) } }
}
