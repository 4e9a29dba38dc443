internal import Glibc
internal import Synchronization
package import TelpherTransport
package import TelpherWire

/// Runs a command as a durable job. If the connection is lost, attaches to the job again on another
/// one: its output continues after the last byte that was passed on, its input at the byte that the
/// job takes next, and the result is not lost.
package struct ReconnectingRun: Sendable {
  /// The command, with the id of its job.
  package var command: Command
  /// The journal of the job. With `block` no output is dropped.
  package var journal: RunRequest.Journal
  /// The name of the job; nil for none.
  package var name: String?
  /// How long to try to reach the server again after a connection was lost.
  package var patience: Duration
  /// The input; nil for none.
  package var input: InputReplay?
  /// Makes a connection; gives up after a time, if one is given.
  package var connect: @Sendable (Duration?) async throws -> Connection
  /// Takes a chunk of an output; returns whether it takes more.
  package var pass: @Sendable (Chunk, JournalOutput) async throws -> Bool
  /// The command on the current connection; nil between two.
  package let current = Monitor<RunningCommand?>(nil)
  /// Called if the first attempt to reach the job again has failed, with the reason for the loss.
  package var didLose: @Sendable (any Error) -> Void
  /// Called after `didLose`, when the job was attached to again.
  package var didReturn: @Sendable () -> Void
  /// Whether the command is started, or a job is attached to that runs.
  package var beginning = Beginning.start
  /// Whether output may be missing: what a terminal has shown long ago is not needed.
  package var toleratesGaps = false
  /// Whether the job ends if this run loses its connection or ends, unless it detaches. There is
  /// nothing to reconnect to then.
  package var ownsJob = false
  /// Called each time the job is attached to, before its output is passed on.
  package var didAttach: @Sendable (RunningCommand) async throws -> Void = { _ in }

  /// How a run begins.
  package enum Beginning: Sendable {
    /// The command is started.
    case start
    /// The job runs already: its output is passed on from these last lines on.
    case attach(lastLines: UInt64)
  }

  /// One of the two outputs.
  package enum JournalOutput: Sendable, CaseIterable {
    case output, error

    var channel: Channel { self == .output ? .stdout : .stderr }
    var key: String { "\(channel.rawValue)" }
  }

  /// Creates a run.
  package init(
    command: Command, journal: RunRequest.Journal, name: String?, patience: Duration,
    input: InputReplay?, connect: @escaping @Sendable (Duration?) async throws -> Connection,
    pass: @escaping @Sendable (Chunk, JournalOutput) async throws -> Bool,
    didLose: @escaping @Sendable (any Error) -> Void, didReturn: @escaping @Sendable () -> Void
  ) {
    (self.command, self.journal, self.name) = (command, journal, name)
    (self.patience, self.input, self.connect, self.pass) = (patience, input, connect, pass)
    (self.didLose, self.didReturn) = (didLose, didReturn)
  }

  /// How far the outputs were passed on.
  private struct Progress {
    var positions: [JournalOutput: OutputPosition] = [.output: .init(), .error: .init()]
    /// Outputs that nothing takes any more.
    var closed: Set<JournalOutput> = []
    var gaps: [JobMark.Gap] = []
    /// The sum of the offsets in the last `taken` message.
    var reported: UInt64 = 0
    /// Whether the positions are known: not before a job was first attached to.
    var isPlaced: Bool

    init(isPlaced: Bool) { self.isPlaced = isPlaced }

    /// The first bytes that are missing of what was to be passed on.
    var missing: JobMark.Gap? {
      gaps.first { gap in !closed.contains { $0.channel.rawValue == gap.channel } }
    }

    /// What the job need not keep any more.
    var taken: [String: UInt64] {
      Dictionary(
        uniqueKeysWithValues: positions.map { output, position in
          (output.key, closed.contains(output) ? WireConstants.maxOffset : position.offset)
        })
    }
  }

  /// The time from the loss of the job until it is attached to again. A connection alone does not end
  /// it: a server that breaks off each one would be tried for ever.
  private struct Outage {
    /// Why the job was lost.
    let loss: ClientError
    let start = monotonicNow()
    /// The pause before the next attempt; zero before the first.
    var pause = Duration.zero
    /// Why the last attempt failed.
    var lastFailure: any Error
    /// Whether `didLose` was called.
    var isReported = false

    init(_ loss: ClientError) { (self.loss, lastFailure) = (loss, loss) }

    var elapsed: Duration { .nanoseconds(Int64(monotonicNow() - start)) }

    mutating func lengthenPause() {
      pause = pause == .zero ? pauses.first : min(pause * 2, pauses.longest)
    }
  }

  /// How many bytes are taken before `taken` is sent to the job again: a 64th of its journal, the
  /// least that a journal can remove.
  private var takenStep: UInt64 { max((journal.bytes ?? 64 << 20) / 64, 128 << 10) }
  /// The first pause after a failed attempt to connect, and the longest.
  private static let pauses = (first: Duration.milliseconds(100), longest: Duration.seconds(2))

  /// Runs the command until it has ended.
  ///
  /// - Returns: its result. All of its output was passed on.
  /// - Throws: `ClientError`: as `Connection.run`; `lost` if the job could not be reached again in
  ///   time, or if output is missing; the errors of `pass`, and of `connect` for the first
  ///   connection.
  package func perform() async throws -> CommandResult {
    var hasStarted = false
    if case .attach = beginning { hasStarted = true }
    let progress = Monitor(Progress(isPlaced: !hasStarted))
    var connection = try await connect(nil)
    var isFirst = true
    var outage: Outage?
    while true {
      let loss: ClientError
      switch try await attempt(
        on: connection, isFirst: isFirst, progress, &outage, hasStarted: &hasStarted)
      {
      case .ended(let result):
        if ownsJob || result.status == .detached { return result }
        // Nothing of the job is needed any more. If this fails, it stays in the list.
        try? await connection.forgetJob(command.job ?? "")
        if !toleratesGaps, let gap = progress.withLock({ $0.missing }) { throw Self.missing(gap) }
        return result
      case .lost(let error): loss = error
      }
      if ownsJob { throw loss }
      var current = outage ?? Outage(loss)
      current.lastFailure = loss
      connection = try await reconnect(&current)
      outage = current
      isFirst = false
    }
  }

  private static func missing(_ gap: JobMark.Gap) -> ClientError {
    let name = gap.channel == Channel.stdout.rawValue ? "standard output" : "standard error"
    return ClientError(
      .lost,
      "\(gap.bytes) bytes of \(name) are missing from byte \(gap.offset) on (\(gap.reason))")
  }

  // MARK: Connecting again

  private func reconnect(_ outage: inout Outage) async throws -> Connection {
    while true {
      if outage.pause > .zero {
        if !outage.isReported { didLose(outage.loss) }
        outage.isReported = true
        guard Self.isTransient(outage.lastFailure), outage.elapsed + outage.pause < patience else {
          throw ClientError(
            .lost,
            "\(outage.loss.message); the job could not be reached again: \(outage.lastFailure); the job \(command.job ?? "") may still run"
          )
        }
        try await Task.sleep(for: outage.pause)
      }
      outage.lengthenPause()
      do {
        let connection = try await connect(max(patience - outage.elapsed, Self.pauses.first))
        // A relay answers at once, whether or not it reaches the server.
        _ = try await connection.serverHello()
        return connection
      } catch {
        outage.lastFailure = error
      }
    }
  }

  /// Whether another attempt may succeed.
  private static func isTransient(_ error: any Error) -> Bool {
    if error is CancellationError { return false }
    return (error as? ClientError)?.code != .interrupted
  }

  // MARK: One connection

  /// How the use of a connection ended.
  private enum Attempt {
    case ended(CommandResult)
    case lost(ClientError)
  }

  private func attempt(
    on connection: Connection, isFirst: Bool, _ progress: Monitor<Progress>,
    _ outage: inout Outage?, hasStarted: inout Bool
  ) async throws -> Attempt {
    let handle: RunningCommand
    do throws(ClientError) {
      handle = try await begin(on: connection, progress, hasStarted: hasStarted)
    } catch {
      guard !isFirst, error.code == .lost || error.code == .closed else { throw error }
      return .lost(error)
    }
    defer { current.withLock { $0 = nil } }
    do {
      if let offsets = await handle.opened() {
        hasStarted = true
        if outage?.isReported == true { didReturn() }
        outage = nil
        current.withLock { $0 = handle }
        try await follow(handle, from: offsets, progress)
      }
      let result = try await handle.result()
      await input?.close()
      await connection.forget(handle.stream)
      return .ended(result)
    } catch {
      await input?.interrupt()
      progress.withLock { progress in
        for output in JournalOutput.allCases { progress.positions[output]?.disconnect() }
      }
      let (isAnswered, outcome) = await handle.ending()
      await connection.forget(handle.stream)
      if case .failure(let failure) = outcome, !isAnswered, failure.code == .lost {
        return .lost(failure)
      }
      throw error
    }
  }

  private func begin(
    on connection: Connection, _ progress: Monitor<Progress>, hasStarted: Bool
  ) async throws(ClientError) -> RunningCommand {
    let taken = progress.withLock { progress in
      progress.positions.reduce(into: [String: UInt64]()) { $0[$1.key.key] = $1.value.offset }
    }
    let didFindGap: @Sendable (JobMark.Gap) -> Void = { gap in
      progress.withLock { progress in
        guard
          let output = JournalOutput.allCases.first(where: { $0.channel.rawValue == gap.channel })
        else { return }
        if !progress.gaps.contains(where: { $0.channel == gap.channel && $0.offset == gap.offset })
        {
          progress.gaps.append(gap)
        }
        progress.positions[output]?.skip(gap)
      }
    }
    let didAcceptInput: @Sendable (UInt64) -> Void = { [input] offset in
      guard let input else { return }
      Task { await input.accept(offset) }
    }
    let request: OpenRequest
    if hasStarted {
      var attach = JobRequest(.attach, job: command.job)
      if case .attach(let lines) = beginning, !progress.withLock({ $0.isPlaced }) {
        attach.tail = lines
      } else {
        attach.from = taken
      }
      request = .job(attach)
    } else {
      var run = command.request
      (run.journal, run.name) = (journal, name)
      if ownsJob { run.onDisconnect = .kill }
      request = .run(run)
    }
    return try await connection.beginFollowing(
      request, hasInput: input != nil, didFindGap, didAcceptInput)
  }

  /// Passes on the output, and sends the input, until the command has ended.
  private func follow(
    _ handle: RunningCommand, from offsets: [String: UInt64], _ progress: Monitor<Progress>
  ) async throws {
    let isPlaced = progress.withLock { progress in
      defer { progress.isPlaced = true }
      if !progress.isPlaced {
        for output in JournalOutput.allCases {
          progress.positions[output] = OutputPosition(at: offsets[output.key] ?? 0)
        }
      }
      return progress.isPlaced
    }
    for output in JournalOutput.allCases {
      let known = progress.withLock { $0.positions[output]?.offset ?? 0 }
      guard offsets[output.key] ?? 0 == known else {
        throw ClientError(
          .protocolError,
          "the server continues the output at byte \(offsets[output.key] ?? 0) instead of \(known)")
      }
    }
    if let input {
      if !isPlaced { await input.place(at: offsets["0"] ?? 0) }
      guard let number = await input.begin(at: offsets["0"] ?? 0) else {
        throw ClientError(
          .lost, "the input can't be continued: the job has accepted input of another client")
      }
      Task(executorPreference: handle.loop) {
        await Self.send(input, number, from: offsets["0"] ?? 0, to: handle)
      }
    }
    try await didAttach(handle)
    // The new connection's server knows nothing of what was taken before.
    await tell(handle, progress, always: true)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for output in JournalOutput.allCases {
        group.addTask { try await passAll(output, of: handle, progress) }
      }
      group.addTask { _ = try await handle.result() }
      do {
        try await group.waitForAll()
      } catch {
        // Something on this side has failed, and the job has no purpose any more. If the stream has
        // ended, this does nothing. The other tasks end with the stream.
        await handle.cancel()
        await handle.leave()
        throw error
      }
    }
  }

  private func passAll(
    _ output: JournalOutput, of handle: RunningCommand, _ progress: Monitor<Progress>
  ) async throws {
    let source = output == .output ? handle.output : handle.error
    if progress.withLock({ $0.closed.contains(output) }) { await source.stop() }
    for try await chunk in source {
      let takesMore = try await pass(chunk, output)
      progress.withLock { progress in
        progress.positions[output]?.advance(by: chunk.count)
        if !takesMore { progress.closed.insert(output) }
      }
      await tell(handle, progress, always: !takesMore)
      if !takesMore {
        await source.stop()
        // The reader of this output has closed it: send SIGPIPE, as a closed pipe would.
        await handle.signal(SIGPIPE)
      }
    }
  }

  /// Tells the job what it need not keep any more.
  private func tell(
    _ handle: RunningCommand, _ progress: Monitor<Progress>, always: Bool
  ) async {
    let taken: [String: UInt64]? = progress.withLock { progress in
      let sum = progress.positions.values.reduce(0) { $0 + $1.offset }
      guard always || sum - progress.reported >= takenStep else { return nil }
      progress.reported = sum
      return progress.taken
    }
    if let taken { await handle.took(taken) }
  }

  private static func send(
    _ input: InputReplay, _ number: Int, from start: UInt64, to handle: RunningCommand
  ) async {
    var offset = start
    do {
      while let chunk = try await input.next(from: offset, number) {
        try await handle.input.write(chunk)
        offset += UInt64(chunk.count)
      }
      await handle.input.finish()
    } catch is InputReplay.End {
      return
    } catch {
      // The job reads no more, or the connection is lost.
      if await handle.hasClosedInput() { await input.close() }
    }
  }
}
