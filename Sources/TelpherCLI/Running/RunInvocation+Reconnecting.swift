internal import TelpherClient
internal import TelpherTransport
internal import TelpherWire

// `run --reconnect`, and shells
extension RunInvocation {
  /// Runs the command as a durable job on the user's terminal.
  func performJob(
    on terminal: LocalTerminal, _ statusFile: StatusFile?
  ) async -> Result<CommandResult, Failure> {
    let endsWithClient = !settings.reconnects && !settings.isSession
    var id: String?
    do {
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: true)
      let reach = ServerReach(settings: server, loop: loop)
      let first = try await reach.connect(embeddedServer: .allowed)
      // Before the server answers, Ctrl-C still ends this process.
      _ = try await first.connection.serverHello()
      var command = settings.command
      if let program { command.program = program }
      if first.place != .named { try useLocalSurroundings(&command, first.place) }
      let unused = Monitor<Connection?>(first.connection)
      let name = Connection.newJobID()
      if !endsWithClient { id = name }
      let job = TerminalJob(
        job: name, server: server, terminal: terminal,
        patience: settings.reconnects
          ? settings.patience ?? ReconnectArgument.defaultPatience : .zero,
        loop: loop,
        connect: { limit in
          if let connection = unused.withLock({ $0.take() }) { return connection }
          return try await reach.within(limit).connect(embeddedServer: .allowed).connection
        },
        endsWithClient: endsWithClient, statusFile: statusFile)
      return .success(
        try await job.start(command, name: settings.name, journalBytes: settings.journal))
    } catch {
      return .failure(failure(error, mayStillRun: id))
    }
  }

  /// The failure of a run, with the command that returns to its job.
  private func failure(_ error: any Error, mayStillRun job: String?) -> Failure {
    var failure = Failure(error)
    if let job, failure.kind == "lost" {
      failure.message += "; to reconnect to it: \(server.commandLine("attach", job))"
    }
    return failure
  }

  /// Runs the command as a durable job, and takes it up again if the connection is lost.
  func performReconnecting(
    output: any OutputSink, error: any OutputSink, _ statusFile: StatusFile?
  ) async -> Result<CommandResult, Failure> {
    let id = Connection.newJobID()
    do {
      // One loop for all connections.
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: true)
      let reach = ServerReach(settings: server, loop: loop)
      let first = try await reach.connect(embeddedServer: .allowed)
      var command = settings.command
      if let program { command.program = program }
      if first.place != .named { try useLocalSurroundings(&command, first.place) }
      command.job = id
      let unused = Monitor<Connection?>(first.connection)
      let run = ReconnectingRun(
        command: command,
        journal: RunRequest.Journal(bytes: settings.journal, whenFull: .block),
        name: settings.name,
        patience: settings.patience ?? ReconnectArgument.defaultPatience,
        input: settings.forwardsInput ? InputReplay() : nil,
        connect: { limit in
          if let connection = unused.withLock({ $0.take() }) { return connection }
          return try await reach.within(limit).connect(embeddedServer: .allowed).connection
        },
        pass: { chunk, channel in
          try await (channel == .output ? output : error).write(chunk)
        },
        didLose: { loss in
          Descriptor.complain(
            "\(Failure(loss).message); trying to reconnect to the command (job \(id))")
        },
        didReturn: { Descriptor.complain("reconnected to the command") })
      let signals = ForwardedSignals.watch(
        on: loop, hasAnswered: { run.current.withLock { $0 != nil } }, hasTerminal: false,
        orGiveUp: { [json = settings.json, server] signal, _ in
          Self.quit(
            Failure(
              "ended by a signal; the job goes on; to end it: \(server.commandLine("kill", id)); to reconnect to it: \(server.commandLine("attach", id))",
              kind: "interrupted"),
            printsReport: json, statusFile, status: ExitStatus.signalBase + signal)
        })
      return .success(
        try await withTaskExecutorPreference(loop) {
          if let input = run.input { Self.read(into: input, on: loop) }
          let forwarding = Task(executorPreference: loop) {
            for await number in signals.numbers {
              await run.current.withLock { $0 }?.signal(number)
            }
          }
          defer { forwarding.cancel() }
          return try await run.perform()
        })
    } catch {
      return .failure(failure(error, mayStillRun: id))
    }
  }

  /// Starts a task that reads standard input. The task is not awaited: a read from a terminal may
  /// never return, and the process must end when the command does.
  private static func read(into input: InputReplay, on loop: any EventLoop) {
    Task(executorPreference: loop) {
      let source = InputSource()
      do {
        while let chunk = try await source.read() {
          guard await input.add(chunk) else { return }
        }
        await input.finish()
      } catch {
        // Do not call `finish` after a read error: the command would take the input so far for all
        // of it.
        Self.quit(
          Failure(error), printsReport: false, nil, status: ExitStatus.failure)
      }
    }
  }
}
