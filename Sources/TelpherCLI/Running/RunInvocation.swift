internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// Does the work of `run`, `on` and `shell`: connects, runs the command and reports how it ended.
struct RunInvocation {
  let server: ServerSettings
  var settings: RunSettings
  /// What to run instead of the words of the settings.
  var program: Command.Program?

  /// Runs the command.
  ///
  /// - Returns: the status for this process to end with.
  /// - Throws: `Failure` if a result can't be written.
  func run() async throws(Failure) -> Int32 {
    if settings.detach { return try await start(settings.jobOptions) }
    let terminal = settings.usesTerminal ? try LocalTerminal() : nil
    let statusFile = try settings.statusFD.map { number throws(Failure) in try StatusFile(number) }
    let outputs =
      settings.json
      ? (MemorySink(name: "standard output"), MemorySink(name: "standard error")) : nil
    let outcome = await perform(
      output: outputs?.0 ?? DescriptorSink(.output), error: outputs?.1 ?? DescriptorSink(.error),
      terminal, statusFile)
    let status = ExitStatus.status(for: outcome)
    if let outputs {
      let (output, error) = await (outputs.0.bytes, outputs.1.bytes)
      try JSONText.print(
        RunReport(outcome: outcome, output: output, error: error, status: status))
    } else {
      if let message = ExitStatus.explanation(of: outcome) { Descriptor.complain(message) }
      if case .success(let result) = outcome, result.details.pipeHeld == true {
        Descriptor.complain(ExitStatus.heldOutput)
      }
    }
    try statusFile?.write(RunReport(outcome: outcome, status: status))
    return status
  }

  /// Gives the command this process's working directory and environment: the user named no server.
  func useLocalSurroundings(_ command: inout Command, _ place: ServerReach.Place) throws {
    let absolute = settings.cwd?.hasPrefix("/") == true
    if !absolute { command.directory = try LocalSurroundings().resolve(command.directory) }
    // A temporary server has inherited this environment already.
    guard place == .byDefault else { return }
    let (variables, unsendable) = LocalSurroundings.environment()
    for name in unsendable {
      Descriptor.complain("the variable '\(name)' is not passed on: its name is not UTF-8")
    }
    command.inheritsServerEnvironment = false
    command.environment = variables.merging(settings.ownVariables) { $1 }
  }

  /// Starts the command as a durable job and prints its id.
  private func start(_ options: Connection.JobOptions) async throws(Failure) -> Int32 {
    let id = Connection.newJobID()
    let outcome: Result<CommandResult, Failure>
    do {
      let reached = try await ServerReach(settings: server).connect(embeddedServer: .allowed)
      var command = settings.command
      if let program { command.program = program }
      if reached.place != .named { try useLocalSurroundings(&command, reached.place) }
      command.job = id
      let (job, keepsInput) = (command, settings.forwardsInput)
      outcome = .success(
        try await reached.connection.launchJob(job, options, keepsInput: keepsInput))
    } catch {
      var failure = Failure(error)
      if failure.kind == "lost" {
        failure.message += "; whether the job \(id) was started is unknown (see 'telpher jobs')"
      }
      outcome = .failure(failure)
    }
    guard case .success(let result) = outcome, result.status == .detached else {
      let status = ExitStatus.status(for: outcome)
      if settings.json {
        try JSONText.print(RunReport(outcome: outcome, status: status))
      } else if let message = ExitStatus.explanation(of: outcome) {
        Descriptor.complain(message)
      }
      return status
    }
    if settings.json {
      try JSONText.print(["job": id])
    } else {
      try Descriptor.output.print(id + "\n")
    }
    return 0
  }

  private func perform(
    output: any OutputSink, error: any OutputSink, _ terminal: LocalTerminal?,
    _ statusFile: StatusFile?
  ) async -> Result<CommandResult, Failure> {
    if let terminal {
      let outcome = await performJob(on: terminal, statusFile)
      // A server that keeps no jobs has refused the request and run nothing: run an ordinary
      // command there.
      guard !settings.needsJob, case .failure(let failure) = outcome, failure.kind == "refused"
      else { return outcome }
    } else if settings.reconnects {
      return await performReconnecting(output: output, error: error, statusFile)
    }
    do {
      let reached = try await ServerReach(settings: server).connect(embeddedServer: .allowed)
      var command = settings.command
      if let program { command.program = program }
      if reached.place != .named { try useLocalSurroundings(&command, reached.place) }
      let run = CommandRun(
        command: command, forwardsInput: settings.forwardsInput,
        terminal: terminal.map { terminal in
          TerminalRun(terminal) {
            Self.quit(.escape, printsReport: false, statusFile, status: ExitStatus.failure)
          }
        },
        output: output, error: error,
        giveUp: { [json = settings.json] in
          Self.giveUp($0, $1, printsReport: json, statusFile)
        })
      return .success(
        try await withTaskExecutorPreference(reached.connection.loop) {
          try await run.perform(on: reached.connection)
        })
    } catch {
      return .failure(Failure(error))
    }
  }

  /// Ends this process because of a signal. The connection ends with the process, and the server then
  /// ends the command.
  static func giveUp(
    _ signal: Int32, _ reason: ForwardedSignals.Reason, printsReport: Bool,
    _ statusFile: StatusFile?
  ) -> Never {
    let message =
      switch reason {
      case .unanswered:
        "ended by a signal before the server answered; if the server still starts the command, it then ends the command at once"
      case .repeated:
        "ended by a second signal; the server ends the command, and its result is unknown"
      case .hungUp: "the terminal is gone; the server ends the command"
      }
    quit(
      Failure(message, kind: "interrupted"), printsReport: printsReport, statusFile,
      status: ExitStatus.signalBase + signal)
  }

  /// The message after `~.`, if the command ends with this process.
  static let escapeText = "ended by ~.; the server ends the command"

  /// Ends this process because of `failure`, with the terminal restored.
  static func quit(
    _ failure: Failure, printsReport: Bool, _ statusFile: StatusFile?, status: Int32
  ) -> Never {
    LocalTerminal.leaveRawMode()
    let report = RunReport(outcome: .failure(failure), status: status)
    // The user wants to end at once, so a report that can't be written is dropped. Writing could
    // block if nothing reads it, and the server ends the command only after this process has ended;
    // so exit after 0.5 s in any case.
    _ = startThread {
      usleep(500_000)
      _exit(status)
    }
    if printsReport { try? JSONText.print(report) } else { Descriptor.complain(failure.message) }
    try? statusFile?.write(report)
    _exit(status)
  }
}

extension Failure {
  /// The user typed `~.`.
  fileprivate static var escape: Failure {
    Failure(RunInvocation.escapeText, kind: "interrupted")
  }
}
