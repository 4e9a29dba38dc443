internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// The client's side of one command: its output that has arrived, its input, its result, and the
/// tasks that wait for them. Use it only on the loop's thread.
final class ClientCommand {
  let stream: StreamID
  let output: OutputQueue
  let error: OutputQueue
  /// Counts the readers of the two outputs.
  let readers = OutputReaders()
  /// The channel of standard input; nil for a command without input.
  let input: OutboundChannel?
  /// The result or the error; nil while the command runs.
  var outcome: Result<CommandResult, ClientError>? { ending.result }
  /// A failure on this side, which is reported instead of the result.
  private(set) var failure: ClientError?

  /// Whether standard input takes a chunk.
  private enum InputState {
    /// Now. Next: `busy`, `closed`.
    case ready
    /// Not before the chunk that the channel holds was sent. Next: `ready`, `closed`.
    case busy
    /// No more: this side has ended it, or the command reads no more. Final.
    case closed
  }

  private let link: Link
  private var inputState = InputState.ready
  private var offsets: [String: UInt64] = [:]
  /// Outputs that were stopped or not asked for; their byte counts are not checked.
  private var stopped: Set<Channel> = []
  /// What readers have taken of a durable job's output; nil if the job need not know.
  private var taken: TakenOutput?
  /// What is known about the durable job that the stream is attached to; nil for other commands.
  let attachment: JobAttachment?
  /// Whether the server has sent its result.
  private(set) var isAnswered = false
  private var writers: [CheckedContinuation<Void, Never>] = []
  private let ending = StreamOutcome<CommandResult>()
  private var deadline: DeadlineWatch?

  init(
    link: Link, stream: StreamID, hasInput: Bool, output: OutputQueue.Policy,
    error: OutputQueue.Policy, attachment: JobAttachment? = nil
  ) {
    self.link = link
    self.stream = stream
    self.attachment = attachment
    self.output = OutputQueue(output)
    self.error = OutputQueue(error)
    input = hasInput ? link.outbound(stream, .stdin) : nil
    input?.onReady = { [unowned self] in wakeWriters() }
  }

  func queue(_ channel: Channel) -> OutputQueue? {
    switch channel {
    case .stdout: output
    case .stderr: error
    case .stdin, .terminal, .file, .index: nil
    }
  }

  // MARK: Output

  func receive(_ chunk: Chunk, _ channel: Channel) {
    guard let queue = queue(channel) else {
      if channel == .index { receiveMarks(chunk) }
      return link.consume(stream, channel, chunk.count)
    }
    do throws(ClientError) {
      let credit = try queue.receive(chunk)
      link.consume(stream, channel, credit)
      taken?.didReturn(credit, channel)
    } catch {
      link.consume(stream, channel, chunk.count)
      fail(error)
    }
    growFullOutputIfBlocked()
  }

  private func receiveMarks(_ chunk: Chunk) {
    do throws(WireError) {
      try attachment?.receive(chunk)
    } catch {
      fail(ClientError(.protocolError, error.message))
    }
  }

  /// From now on reports to the durable job what readers have taken, so that a full journal that
  /// blocks the job makes room.
  func reportTaken() { taken = TakenOutput() }

  /// Returns the next chunk of an output; nil at its end. The caller is done with the chunk before.
  func next(_ channel: Channel) async throws -> Chunk? {
    guard let queue = queue(channel) else { return nil }
    let isWaiting = queue.unread == 0
    if let taken = taken?.report(isWaiting: isWaiting, from: offsets, gaps: attachment?.gaps ?? []),
      outcome == nil
    {
      link.control(stream, .taken(taken))
    }
    if let ready = try available(queue, channel) { return ready }
    // Check again inside the closure: a task that does not prefer the loop as its executor may run
    // it one turn of the loop later. Without the check it would miss a chunk that arrived in
    // between.
    return try await withWaitingTask { continuation in
      do {
        if let ready = try available(queue, channel) {
          continuation.resume(returning: ready)
        } else {
          queue.wait(continuation)
          growFullOutputIfBlocked()
        }
      } catch {
        continuation.resume(throwing: error)
      }
    }
  }

  /// Returns the next chunk, `.some(nil)` at the end of the output, or nil if the caller must wait.
  private func available(_ queue: OutputQueue, _ channel: Channel) throws(ClientError) -> Chunk?? {
    if let (chunk, credit) = queue.take() {
      link.consume(stream, channel, credit)
      taken?.didReturn(chunk.count, channel)
      return .some(chunk)
    }
    guard queue.hasEnded else { return nil }
    if let failure { throw failure }
    if case .failure(let error) = outcome { throw error }
    return .some(nil)
  }

  /// Resolves a deadlock (see `OutputQueue`): a reader waits for one output while the command waits
  /// until the other output is read, which has no reader. Then that output gets more credit.
  func growFullOutputIfBlocked() {
    for (awaited, full, channel) in [(output, error, Channel.stderr), (error, output, .stdout)]
    where awaited.isAwaited && !awaited.hasEnded && full.bytesHoldingCredit > 0
      && !readers.isRead(channel)
    {
      guard full.unread <= OutputQueue.unreadLimit else {
        return fail(
          ClientError(
            .outputLimit,
            "\(full.unread) bytes of the other output are unread: read both outputs, or discard one"
          ))
      }
      link.consume(stream, channel, full.bytesHoldingCredit)
      full.markCreditAsGivenBack()
    }
  }

  /// Stops an output: the command gets SIGPIPE when it writes to it.
  func stop(_ channel: Channel) {
    guard outcome == nil, stopped.insert(channel).inserted else { return }
    link.control(stream, .stopSending(channel.rawValue))
    drop(channel)
  }

  /// Ends the reading of both outputs. An output that was read in part is stopped, like a closed
  /// pipe in a shell. An output that was never read is dropped, so that the command can go on
  /// writing.
  func finishReading() {
    for channel in [Channel.stdout, .stderr] {
      guard let queue = queue(channel) else { continue }
      if queue.wasRead && !queue.hasEnded { stop(channel) } else { drop(channel) }
    }
  }

  /// Drops all further output; the command continues.
  func dropOutputs() {
    drop(.stdout)
    drop(.stderr)
  }

  private func drop(_ channel: Channel) {
    guard let queue = queue(channel) else { return }
    link.consume(stream, channel, queue.discard())
  }

  // MARK: Input

  /// Whether nothing more can be written to standard input.
  var isInputClosed: Bool { inputState == .closed }

  /// Sends a chunk of standard input when there is room for it.
  func write(_ chunk: Chunk) async throws {
    await waitForInput()
    guard let input, inputState == .ready, outcome == nil else {
      throw ClientError(.inputClosed, "the command reads no more input")
    }
    if !input.send(chunk), inputState == .ready { inputState = .busy }
    // The chunk stays in the channel until the command reads; the caller waits for that too.
    await waitForInput()
  }

  /// Waits while the channel holds a chunk that has not been sent.
  private func waitForInput() async {
    while inputState == .busy {
      // Check again inside the closure: see `next`.
      await withCheckedContinuation { continuation in
        if inputState == .busy {
          writers.append(continuation)
        } else {
          continuation.resume()
        }
      }
    }
  }

  func finishInput() {
    guard inputState != .closed else { return }
    inputState = .closed
    input?.finish()
    wakeWriters()
  }

  private func wakeWriters() {
    if inputState == .busy { inputState = .ready }
    let waiting = writers
    writers = []
    waiting.forEach { $0.resume() }
  }

  private func closeInput() {
    inputState = .closed
    wakeWriters()
  }

  // MARK: CONTROL

  func receive(_ messages: [ControlMessage]) {
    for message in messages {
      switch message {
      case .stopSending(Channel.stdin.rawValue): closeInput()
      case .opened(.command(let offsets)):
        self.offsets = offsets
        attachment?.open(at: offsets)
      case .taken(let offsets):
        if let accepted = offsets["0"] { attachment?.didAcceptInput?(accepted) }
      case .opened, .accepted, .stopSending, .signal, .cancel, .detach, .resize, .digest, .restart:
        break
      }
    }
  }

  func signal(_ number: Int32) {
    link.control(stream, .signal(number))
  }

  func resizeTerminal(to size: TerminalSize) {
    link.control(stream, .resize(ControlMessage.TerminalSize(size)))
  }

  func cancel() {
    guard outcome == nil else { return }
    link.control(stream, .cancel)
  }

  /// Only these outputs were asked for.
  func ignoreOutputs(except channels: [UInt8]) {
    for channel in [Channel.stdout, .stderr] where !channels.contains(channel.rawValue) {
      stopped.insert(channel)
    }
  }

  /// Tells a durable job that this client needs nothing before these offsets any more.
  func took(_ offsets: [String: UInt64]) {
    guard outcome == nil else { return }
    link.control(stream, .taken(offsets))
  }

  /// Asks a durable job to go on without this stream. The result is `detached` then.
  func detach() {
    guard outcome == nil else { return }
    link.control(stream, .detach)
  }

  /// Leaves a durable job, which continues.
  func leave() {
    guard outcome == nil else { return }
    link.reset(stream, .canceled, reason: "the client has left the job")
    finish(.failure(ClientError(.closed, "this client has left the job")))
  }

  /// Cancels the command because of a failure on this side, which is reported instead of the
  /// result.
  private func fail(_ error: ClientError) {
    guard failure == nil else { return }
    failure = error
    cancel()
    dropOutputs()
    output.end(error)
    self.error.end(error)
  }

  // MARK: Ending

  /// Watches the deadline of `command` on this side too, in case the server does not answer.
  func watchDeadline(of command: Command) {
    guard let limit = command.deadline else { return }
    deadline = DeadlineWatch(link: link, deadline: limit, margin: command.deadlineMargin) {
      [weak self] in
      self?.finish(
        .failure(
          ClientError(
            .deadlinePassed,
            "the deadline of \(limit.wholeMilliseconds) ms passed and the server does not answer: the command may still run there"
          )))
    }
  }

  /// Handles the result in the server's CLOSE.
  func close(_ details: CloseResult) {
    isAnswered = true
    do throws(ClientError) {
      try checkCounts(details)
      finish(.success(try CommandResult(details)))
    } catch {
      finish(.failure(error))
    }
  }

  func finish(_ outcome: Result<CommandResult, ClientError>) {
    guard self.outcome == nil else { return }
    let outcome = failure.map { .failure($0) } ?? outcome
    ending.finish(outcome)
    deadline?.cancel()
    closeInput()
    var error: ClientError?
    if case .failure(let failure) = outcome { error = failure }
    output.end(error)
    self.error.end(error)
    attachment?.end()
  }

  /// Waits for the result.
  func result() async throws -> CommandResult { try await ending.value() }

  /// Compares the bytes that arrived with the counts in CLOSE, so that missing output is an error.
  private func checkCounts(_ details: CloseResult) throws(ClientError) {
    for channel in [Channel.stdout, .stderr] where !stopped.contains(channel) {
      let key = "\(channel.rawValue)"
      guard let sent = details.bytes?[key], let queue = queue(channel) else { continue }
      // The numbers come from the server, and a sum of them could overflow.
      let missing = attachment?.missing(channel) ?? 0
      let arrived = queue.received &+ (offsets[key] ?? 0) &+ missing
      // A job's output may be shorter than the offset at which this client begins.
      let isBeforeOffset = queue.received == 0 && sent < (offsets[key] ?? 0)
      guard sent == arrived || isBeforeOffset else {
        throw ClientError(
          .lost, "\(arrived) bytes of channel \(key) arrived, but the server sent \(sent)")
      }
    }
  }
}
