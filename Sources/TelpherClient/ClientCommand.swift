internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// One command as the client sees it: what arrived of it, and who waits for what. On the loop only.
final class ClientCommand {
  let stream: StreamID
  let output: OutputQueue
  let error: OutputQueue
  /// Who reads them.
  let readers = OutputReaders()
  /// Nil for a command without input.
  let input: OutboundChannel?
  /// How it ended, once that is known.
  private(set) var outcome: Result<CommandResult, ClientError>?
  /// What was wrong on this side, told in the place of a result.
  private(set) var failure: ClientError?

  private let link: Link
  private var isInputClosed = false
  private var isInputBusy = false
  private var offsets: [String: UInt64] = [:]
  /// Outputs that were not wanted to their end, so that their counts say nothing.
  private var stopped: Set<Channel> = []
  private var writers: [CheckedContinuation<Void, Never>] = []
  private var waiters: [CheckedContinuation<CommandResult, any Error>] = []
  private var deadline: DeadlineWatch?

  init(
    link: Link, stream: StreamID, hasInput: Bool, output: OutputQueue.Policy,
    error: OutputQueue.Policy
  ) {
    self.link = link
    self.stream = stream
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
    guard let queue = queue(channel) else { return link.consume(stream, channel, chunk.count) }
    do throws(ClientError) {
      link.consume(stream, channel, try queue.receive(chunk))
    } catch {
      link.consume(stream, channel, chunk.count)
      fail(error)
    }
    spillIfStuck()
  }

  /// The next piece of an output; nil at its end.
  func next(_ channel: Channel) async throws -> Chunk? {
    guard let queue = queue(channel) else { return nil }
    if let ready = try available(queue, channel) { return ready }
    // Looked at again in there: a task that doesn't prefer the loop as its executor may get there a
    // turn of the loop later, and what came meanwhile would be waited for in vain.
    return try await withCheckedThrowingContinuation { continuation in
      do {
        if let ready = try available(queue, channel) {
          continuation.resume(returning: ready)
        } else {
          queue.wait(continuation)
          spillIfStuck()
        }
      } catch {
        continuation.resume(throwing: error)
      }
    }
  }

  /// The next piece, or (nil) the end, where one of them is there.
  private func available(_ queue: OutputQueue, _ channel: Channel) throws(ClientError) -> Chunk?? {
    if let (chunk, credit) = queue.take() {
      link.consume(stream, channel, credit)
      return .some(chunk)
    }
    guard queue.hasEnded else { return nil }
    if let failure { throw failure }
    if case .failure(let error) = outcome { throw error }
    return .some(nil)
  }

  /// See `OutputQueue`: a reader waits for one output, and the command for the other, which nobody
  /// reads meanwhile.
  func spillIfStuck() {
    for (awaited, full, channel) in [(output, error, Channel.stderr), (error, output, .stdout)]
    where awaited.isAwaited && !awaited.hasEnded && full.ungranted > 0 && !readers.isRead(channel) {
      guard full.unread <= OutputQueue.spillLimit else {
        return fail(
          ClientError(
            .outputLimit,
            "\(full.unread) bytes of the other output wait unread: read both, or discard one"))
      }
      link.consume(stream, channel, full.ungranted)
      full.spill()
    }
  }

  /// The bytes of an output are not wanted any more: the command gets SIGPIPE when it writes there.
  func stop(_ channel: Channel) {
    guard outcome == nil, stopped.insert(channel).inserted else { return }
    var message = ControlMessage()
    message.stopSending = channel.rawValue
    link.control(stream, message)
    drop(channel)
  }

  /// The reader is done. An output that it began and did not finish is stopped, as a shell's pipe
  /// is; one that it never looked at is dropped, so that the command can write to it in peace.
  func finishReading() {
    for channel in [Channel.stdout, .stderr] {
      guard let queue = queue(channel) else { continue }
      if queue.wasRead && !queue.hasEnded { stop(channel) } else { drop(channel) }
    }
  }

  /// What comes from now on is dropped; the command goes on.
  func dropOutputs() {
    drop(.stdout)
    drop(.stderr)
  }

  private func drop(_ channel: Channel) {
    guard let queue = queue(channel) else { return }
    link.consume(stream, channel, queue.discard())
  }

  // MARK: Input

  /// Sends a piece of standard input, once there is room for it.
  func write(_ chunk: Chunk) async throws {
    await waitForInput()
    guard let input, !isInputClosed, outcome == nil else {
      throw ClientError(.inputClosed, "the command reads no more input")
    }
    isInputBusy = !input.send(chunk)
    // What was sent waits in the channel until the command reads; so does who sent it.
    await waitForInput()
  }

  /// Waits while the channel holds a piece that has not gone.
  private func waitForInput() async {
    while isInputBusy && !isInputClosed {
      // Asked again in there: see `next`.
      await withCheckedContinuation { continuation in
        if isInputBusy && !isInputClosed {
          writers.append(continuation)
        } else {
          continuation.resume()
        }
      }
    }
  }

  func finishInput() {
    guard !isInputClosed else { return }
    isInputClosed = true
    input?.finish()
    wakeWriters()
  }

  private func wakeWriters() {
    isInputBusy = false
    let waiting = writers
    writers = []
    waiting.forEach { $0.resume() }
  }

  private func closeInput() {
    isInputClosed = true
    wakeWriters()
  }

  // MARK: Words

  func receive(_ message: ControlMessage) {
    if message.stopSending == Channel.stdin.rawValue { closeInput() }
    if let opened = message.opened { offsets = opened.offsets ?? [:] }
  }

  func signal(_ number: Int32) {
    var message = ControlMessage()
    message.signal = number
    link.control(stream, message)
  }

  func cancel() {
    guard outcome == nil else { return }
    var message = ControlMessage()
    message.cancel = true
    link.control(stream, message)
  }

  /// Ends the command because of a fault on this side, which is told in the place of its result.
  private func fail(_ error: ClientError) {
    guard failure == nil else { return }
    failure = error
    cancel()
    dropOutputs()
    output.end(error)
    self.error.end(error)
  }

  // MARK: The end

  /// Holds the deadline of `command` on this side too, for a server that does not.
  func watchDeadline(of command: Command) {
    guard let limit = command.deadline else { return }
    deadline = DeadlineWatch(
      link: link, deadline: limit, grace: command.grace ?? .milliseconds(RunRequest.defaultGraceMS)
    ) { [weak self] in
      self?.finish(
        .failure(
          ClientError(
            .deadlinePassed,
            "the deadline of \(limit.wholeMilliseconds) ms passed and the server does not answer: the command may still run there"
          )))
    }
  }

  /// The server told the result.
  func close(_ details: CloseResult) {
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
    self.outcome = outcome
    deadline?.cancel()
    closeInput()
    var error: ClientError?
    if case .failure(let failure) = outcome { error = failure }
    output.end(error)
    self.error.end(error)
    let waiting = waiters
    waiters = []
    waiting.forEach { $0.resume(with: outcome.mapError { $0 }) }
  }

  /// The result, once it is known.
  func result() async throws -> CommandResult {
    if let outcome { return try outcome.get() }
    return try await withCheckedThrowingContinuation { continuation in
      // Asked again in here: see `next`.
      if let outcome {
        continuation.resume(with: outcome.mapError { $0 })
      } else {
        waiters.append(continuation)
      }
    }
  }

  /// The server says how many bytes it sent: fewer that arrived are not to be taken for all.
  private func checkCounts(_ details: CloseResult) throws(ClientError) {
    for channel in [Channel.stdout, .stderr] where !stopped.contains(channel) {
      let key = "\(channel.rawValue)"
      guard let told = details.bytes?[key], let queue = queue(channel) else { continue }
      let arrived = queue.received + (offsets[key] ?? 0)
      guard told == arrived else {
        throw ClientError(
          .lost, "\(arrived) bytes of channel \(key) arrived, and the server sent \(told)")
      }
    }
  }
}
