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
  package func launchJob(
    _ command: Command, _ options: JobOptions = JobOptions(), keepsInput: Bool = false
  ) async throws -> CommandResult {
    var request = command.request
    request.detach = true
    request.name = options.name
    request.journal = options.journal
    return try CommandResult(
      await session.ask(.run(request), hasInput: keepsInput).result())
  }

  /// Starts `command` as a durable job, and returns once it has started.
  ///
  ///     let job = try await connection.startJob(Command("make"), name: "build")
  ///
  /// If the connection is lost, whether the job was started is unknown. Set `Command.job` to an id of
  /// your own and repeat the call: the command runs once.
  ///
  /// - Parameters:
  ///   - name: a name that other requests may use in place of the id; no other job may have it.
  ///   - journalSize: the most bytes of output that are kept; nil for the server's default, 64 MiB.
  /// - Throws: `ClientError`: `refused` if nothing was run, also if the command can't be started;
  ///   `lost` if that is unknown.
  public func startJob(
    _ command: Command, name: String? = nil, journalSize: UInt64? = nil
  ) async throws -> Job {
    var command = command
    let id = command.job ?? Self.newJobID()
    command.job = id
    let result = try await launchJob(
      command, JobOptions(name: name, journal: RunRequest.Journal(bytes: journalSize)))
    if case .notStarted(_, _, let message) = result.status { throw ClientError(.refused, message) }
    return Job(id: id, connection: self)
  }

  /// A new id of a job: 128 random bits.
  package static func newJobID() -> String {
    var generator = SystemRandomNumberGenerator()
    return (0..<2).map { _ in
      let digits = String(generator.next(), radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }

  /// Refers to a durable job of the server. No request is sent, so the job need not exist.
  ///
  /// - Parameter reference: its id, a unique beginning of the id, or its name.
  public nonisolated func job(_ reference: String) -> Job { Job(id: reference, connection: self) }

  /// Lists the server's durable jobs, the oldest first.
  ///
  ///     for job in try await connection.jobs() where job.state == .running { print(job.id) }
  ///
  /// - Throws: `ClientError`.
  public func jobs() async throws -> [JobInfo] { try await jobRecords().map(JobInfo.init) }

  /// Lists the durable jobs, the oldest first.
  ///
  /// - Throws: `ClientError`.
  package func jobRecords() async throws -> [JobRecord] {
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
  ///   - request: what to get; its operation is `attach`. If it asks for times, read them with
  ///     `RunningCommand.nextTime`.
  ///   - hasInput: whether the job gets this client's input from now on.
  ///   - didFindGap: called on the loop's thread for bytes that the journal does not have.
  /// - Returns: the value of `body`, and the result of the job, which is `detached` if the request
  ///   does not follow a job that runs.
  /// - Throws: the error of `body`; `ClientError`: `refused` if there is no such job; `lost` if its
  ///   end was not seen, or if the connection was lost.
  package nonisolated func attach<Value>(
    _ request: JobRequest, hasInput: Bool = false,
    didFindGap: @escaping @Sendable (JobMark.Gap) -> Void,
    _ body: (RunningCommand) async throws -> Value
  ) async throws -> (value: Value, result: CommandResult) {
    let handle = try await beginFollowing(
      .job(request), hasInput: hasInput, keepsTimes: request.times == true, didFindGap)
    // Without `follow` the client does not report what it has read, so a full journal with `block`
    // does not remove it.
    if request.follow != false { await handle.reportTaken() }
    do {
      let value = try await body(handle)
      let result = try await handle.result()
      await forget(handle.stream)
      return (value, result)
    } catch {
      await handle.leave()
      await forget(handle.stream)
      throw error
    }
  }

  /// Opens a stream that follows a durable job.
  func beginFollowing(
    _ request: OpenRequest, hasInput: Bool, keepsTimes: Bool = false,
    _ didFindGap: @escaping @Sendable (JobMark.Gap) -> Void,
    _ didAcceptInput: (@Sendable (UInt64) -> Void)? = nil
  ) throws(ClientError) -> RunningCommand {
    let attachment = JobAttachment(keepsTimes: keepsTimes)
    attachment.didFindGap = didFindGap
    attachment.didAcceptInput = didAcceptInput
    let command = try session.follow(
      request, hasInput: hasInput, output: .stream, error: .stream, attachment)
    return RunningCommand(connection: self, stream: command.stream, readers: command.readers)
  }
}

extension RunningCommand {
  /// When the next bytes of an output were read from the job, of which output, and how many bytes
  /// that time is for, in the order of both outputs; nil at the end. Only one task may ask.
  package func nextTime() async -> JobMark.Time? { await connection.nextTime(stream) }

  /// Waits until the stream is attached to its job: the offsets at which it begins; nil if it has
  /// ended before.
  func opened() async -> [String: UInt64]? { await connection.opened(stream) }

  /// Whether the server has sent its result, and how the stream has ended.
  func ending() async -> (isAnswered: Bool, outcome: Result<CommandResult, ClientError>?) {
    await connection.with(stream) { ($0.isAnswered, $0.outcome) } ?? (false, nil)
  }

  /// Whether the command takes no more input.
  func hasClosedInput() async -> Bool {
    await connection.with(stream) { $0.isInputClosed && $0.outcome == nil } ?? false
  }

  /// From now on reports to the durable job what was read.
  func reportTaken() async { await connection.with(stream) { $0.reportTaken() } }

  /// Asks a durable job to go on without this client. The result is `detached` then.
  package func detach() async { await connection.with(stream) { $0.detach() } }

  /// Leaves a durable job, which continues.
  func leave() async { await connection.with(stream) { $0.leave() } }

  /// Tells a durable job that this client needs nothing before these offsets any more.
  func took(_ offsets: [String: UInt64]) async {
    await connection.with(stream) { $0.took(offsets) }
  }
}

extension Connection {
  fileprivate func opened(_ stream: StreamID) async -> [String: UInt64]? {
    await session.command(stream)?.attachment?.opened()
  }

  fileprivate func nextTime(_ stream: StreamID) async -> JobMark.Time? {
    await session.command(stream)?.attachment?.nextTime()
  }
}
