internal import Glibc
internal import TelpherClient
internal import TelpherTransport
internal import TelpherWire

/// Attaches this process's standard streams to a durable job.
struct AttachInvocation {
  let server: ServerSettings
  let request: JobRequest
  let forwardsInput: Bool

  /// Passes the output on until the job has ended.
  ///
  /// - Returns: the status for this process to end with: the job's.
  func run() async throws(Failure) -> Int32 {
    var outcome: Result<CommandResult, Failure>
    do {
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: true)
      let reach = ServerReach(settings: server, loop: loop)
      let connection = try await reach.connect(embeddedServer: .allowed).connection
      if let (terminal, record) = try await terminalJob(on: connection) {
        return try await show(record, on: terminal, connection, reach, loop)
      }
      let (output, error) = (DescriptorSink(.output), DescriptorSink(.error))
      let (request, forwardsInput) = (request, forwardsInput)
      let attached = try await withTaskExecutorPreference(connection.loop) {
        try await connection.attach(
          request, hasInput: forwardsInput, didFindGap: GapMessage.report
        ) { handle in
          if forwardsInput { Self.forwardInput(to: handle) }
          async let rest: Void = Self.pass(handle.error, to: error)
          try await Self.pass(handle.output, to: output)
          try await rest
        }
      }
      outcome = .success(attached.result)
    } catch {
      outcome = .failure(Failure(error))
    }
    if case .failure(var failure) = outcome, failure.kind == "lost" {
      failure.message +=
        "; if the job still runs, to reconnect to it: \(server.commandLine("attach", request.job ?? ""))"
      outcome = .failure(failure)
    }
    if let message = ExitStatus.explanation(ofJob: outcome) { Descriptor.complain(message) }
    return ExitStatus.status(forJob: outcome)
  }

  /// The user's terminal and the job, if the job runs on a terminal and can be shown on the user's;
  /// nil if its output is only to be printed.
  private func terminalJob(
    on connection: Connection
  ) async throws -> (LocalTerminal, JobRecord)? {
    guard request.from == nil, isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1,
      let reference = request.job
    else { return nil }
    let jobs = try await connection.jobRecords()
    let record =
      jobs.first { $0.id == reference || $0.name == reference }
      ?? jobs.first { $0.id.hasPrefix(reference) }
    guard let record, record.terminal == true, record.state == .running else { return nil }
    return (try LocalTerminal(), record)
  }

  private func show(
    _ record: JobRecord, on terminal: LocalTerminal, _ connection: Connection, _ reach: ServerReach,
    _ loop: any EventLoop
  ) async throws -> Int32 {
    let unused = Monitor<Connection?>(connection)
    let job = TerminalJob(
      job: record.id, server: server, terminal: terminal, patience: .zero, loop: loop,
      connect: { limit in
        if let connection = unused.withLock({ $0.take() }) { return connection }
        return try await reach.within(limit).connect(embeddedServer: .allowed).connection
      })
    let outcome: Result<CommandResult, Failure>
    do {
      outcome = .success(try await job.attach(lastLines: request.tail))
    } catch {
      outcome = .failure(Failure(error))
    }
    if let message = ExitStatus.explanation(of: outcome) { Descriptor.complain(message) }
    return ExitStatus.status(for: outcome)
  }

  private static func pass(_ output: CommandOutput, to sink: DescriptorSink) async throws {
    for try await chunk in output where try await !sink.write(chunk) {
      // The reader of standard output has closed it. The job goes on.
      await output.stop()
    }
  }

  /// Starts a task that forwards standard input. The task is not awaited: a read from a terminal may
  /// never return, and the process must end when the job does.
  private static func forwardInput(to handle: RunningCommand) {
    Task(executorPreference: handle.loop) {
      do { try await InputSource().forward(to: handle.input) } catch {
        Descriptor.complain(Failure(error).message)
      }
    }
  }
}
