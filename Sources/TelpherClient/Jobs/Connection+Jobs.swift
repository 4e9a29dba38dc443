package import TelpherWire

// Durable jobs: commands that a server's job host keeps, with their output, whatever happens to
// clients and servers (docs/PROTOCOL.md, "Durable jobs").
extension Connection {
  /// How a durable job is kept.
  package struct JobOptions: Sendable, Equatable {
    /// Its name; nil for none.
    package var name: String?
    /// Its journal.
    package var journal: RunRequest.Journal

    /// Options.
    package init(name: String? = nil, journal: RunRequest.Journal = .init()) {
      self.name = name
      self.journal = journal
    }
  }

  /// Starts `command` as a durable job with the id `command.job`, and returns once it has started, or
  /// has failed to start. May be repeated with the same id: the command runs once.
  ///
  /// - Parameter keepsInput: whether its standard input stays open for clients that attach; if false,
  ///   it is /dev/null.
  /// - Returns: the result, which is `detached` if the command runs.
  /// - Throws: `ClientError`: `refused` if nothing was run; `lost` if that is unknown.
  package func startJob(
    _ command: Command, _ options: JobOptions = JobOptions(), keepsInput: Bool = false
  ) async throws -> CommandResult {
    var request = command.request
    request.detach = true
    request.name = options.name
    request.journal = options.journal
    return try CommandResult(
      await session.ask(.run(request), hasInput: keepsInput).result())
  }

  /// Lists the durable jobs, the oldest first.
  ///
  /// - Throws: `ClientError`.
  package func jobs() async throws -> [JobRecord] {
    let answer = try session.ask(.job(JobRequest(.jobs)))
    let result = try await answer.result()
    guard result.result == .ok else {
      throw ClientError(.refused, result.message ?? "the server lists no jobs")
    }
    do throws(WireError) { return try JobRecord.decode(lines: answer.lines) } catch {
      throw ClientError(.protocolError, error.message)
    }
  }

  /// Waits until a durable job has ended.
  ///
  /// - Parameter job: its id, a unique beginning of it, or its name; also below.
  /// - Throws: `ClientError`: `refused` if there is no such job; `lost` if its end was not seen.
  package func waitForJob(_ job: String) async throws -> CommandResult {
    try CommandResult(await session.ask(.job(JobRequest(.wait, job: job))).result())
  }

  /// Removes a durable job that has ended, with its output.
  ///
  /// - Throws: `ClientError`: `refused` if there is no such job, or if it has not ended.
  package func forgetJob(_ job: String) async throws {
    try await perform(JobRequest(.forget, job: job))
  }

  private func perform(_ request: JobRequest) async throws {
    let result = try await session.ask(.job(request)).result()
    guard result.result == .ok else {
      throw ClientError(.refused, result.message ?? "the server refused the request")
    }
  }

  /// Attaches to a durable job, and lets `body` read its output, and write its input, while it runs.
  /// The job continues if `body` throws or the task is canceled.
  ///
  /// - Parameters:
  ///   - request: what to get; its operation is `attach`.
  ///   - hasInput: whether the job gets this client's input from now on.
  /// - Returns: the value of `body`; the result of the job, which is `detached` if the request does
  ///   not follow a job that runs; and the gaps in its output.
  /// - Throws: the error of `body`; `ClientError`: `refused` if there is no such job; `lost` if its
  ///   end was not seen, or if the connection was lost.
  package nonisolated func attach<Value>(
    _ request: JobRequest, hasInput: Bool = false, _ body: (RunningCommand) async throws -> Value
  ) async throws -> (value: Value, result: CommandResult, gaps: [JobMark.Gap]) {
    let handle = try await beginAttaching(request, hasInput: hasInput)
    do {
      let value = try await body(handle)
      let result = try await handle.result()
      let gaps = await with(handle.stream) { $0.gaps } ?? []
      await forget(handle.stream)
      return (value, result, gaps)
    } catch {
      await with(handle.stream) { $0.leave() }
      await forget(handle.stream)
      throw error
    }
  }

  private func beginAttaching(_ request: JobRequest, hasInput: Bool) throws -> RunningCommand {
    let command = try session.attach(request, hasInput: hasInput, output: .stream, error: .stream)
    command.reportTaken()
    return RunningCommand(connection: self, stream: command.stream, readers: command.readers)
  }
}
