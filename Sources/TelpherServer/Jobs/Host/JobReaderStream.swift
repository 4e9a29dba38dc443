internal import DequeModule
internal import TelpherJournal
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A stream that is attached to a durable job: it sends the job's output from the journal at the
/// client's own pace, and the result after it. So a slow client holds up neither the job nor others.
final class JobReaderStream: JobStream, JobReader, JobInputSource {
  /// The states of the reading.
  private enum State {
    /// The command has not started. Next: working.
    case idle
    /// A thread reads the journal. Next: sending, waiting, complete.
    case working
    /// The client takes the pieces. Next: working, complete.
    case sending
    /// Everything that the journal had was sent. Next: working, complete.
    case waiting
    /// Everything was sent. Final.
    case complete
  }

  private let folder: JobsFolder
  private let workers: JobWorkers
  private let request: JobRequest
  private let channels: [Channel]
  private var state = State.idle
  private var reader: JournalReader?
  private var pieces: Deque<JournalPiece> = []
  /// What follows the pieces.
  private var next = JournalBatch.End.more
  private var outputs: [Channel: OutboundChannel] = [:]
  /// The bytes that were given to each channel.
  private var given: [Channel: UInt64] = [:]
  private var stopped: Set<Channel> = []
  /// The channel that has not sent everything yet.
  private var blocked: Channel?
  /// The number of changes of the journal when it was read last.
  private var changes: UInt64 = 0
  private var result: CloseResult?
  /// The input position in the last `taken` message to the client.
  private var reportedInput: UInt64 = 0
  /// The channels whose end has not been sent.
  private var unfinished: Set<Channel> = []
  /// The bytes of each output when the stream attached.
  private var limits: [String: UInt64] = [:]

  /// - Parameter request: what to send; its `job` and operation do not matter.
  init(
    _ job: KeptJob, _ request: JobRequest, folder: JobsFolder, workers: JobWorkers,
    stream: StreamID, of connection: ServerConnection
  ) {
    self.folder = folder
    self.workers = workers
    self.request = request
    channels = (request.channels ?? [1, 2]).compactMap(Channel.init(rawValue:))
    super.init(job, stream, of: connection)
    connection.link.openInput(stream, .stdin)
  }

  private var start: JournalStart {
    if let tail = request.tail { return .lines(Int(tail)) }
    return .offsets(Self.offsets(request.from ?? [:]))
  }

  private static func offsets(_ named: [String: UInt64]) -> JournalOffsets {
    JournalOffsets(output: named["1"] ?? 0, error: named["2"] ?? 0)
  }

  // MARK: JobFollower

  override func jobDidStart() {
    guard case .idle = state, isOpen else { return }
    state = .working
    job.addReader(self)
    let (folder, id, start) = (folder, job.id, start)
    let journals = channels.map { $0 == .stdout ? JournalChannel.output : .error }
    workers.perform {
      Result { () throws(JobsFolder.Failure) in
        try folder.reader(of: id, channels: journals, from: start)
      }
    } then: { [self] result in
      didOpen(result)
    }
  }

  private func didOpen(_ result: Result<JournalReader, JobsFolder.Failure>) {
    guard let link else { return }
    switch result {
    case .failure(let failure):
      finish(
        CloseResult(.failed, message: "the job's output can't be read: \(failure.message)"))
    case .success(let reader):
      self.reader = reader
      limits = job.record?.bytes ?? [:]
      let position = reader.position
      reportedInput = job.acceptedInput
      link.control(
        stream,
        .opened(
          .command(offsets: [
            "0": job.acceptedInput, "1": position.output, "2": position.error,
          ])))
      for channel in [Channel.stdout, .stderr, .index] {
        let output = link.outbound(stream, channel)
        outputs[channel] = output
        output.onReady = { [weak self] in self?.didSend() }
        output.onSent = { [weak self] in self?.didSend() }
        unfinished.insert(channel)
        output.onFinished = { [weak self] in
          self?.unfinished.remove(channel)
          self?.finishIfEnded()
        }
        // An output that was not asked for.
        if channel != .index, !channels.contains(channel) { output.finish() }
      }
      read()
    }
  }

  func outputWillBeRemoved() {
    if case .complete = state { return }
    finish(
      CloseResult(.failed, message: "the job was forgotten before all of its output was sent"))
  }

  override func journalDidGrow() {
    if case .waiting = state { read() }
  }

  override func jobDidEnd(with result: CloseResult) {
    // The job keeps no streams after this call.
    self.result = result
    switch state {
    case .idle: finish(result)
    case .waiting: read()
    case .complete: complete()
    case .working, .sending: break
    }
  }

  // MARK: Reading and sending

  private func read() {
    guard let reader else { preconditionFailure("the journal is open once it has been read") }
    state = .working
    changes = job.changes
    let withTimes = request.times == true
    workers.perform {
      Result { () throws(JournalError) in try JournalBatch(from: reader, withTimes: withTimes) }
    } then: { [self] result in
      didRead(result)
    }
  }

  private func didRead(_ result: Result<JournalBatch, JournalError>) {
    guard isOpen else { return }
    switch result {
    case .failure(let error):
      finish(CloseResult(.failed, message: "the job's output can't be read: \(error.message)"))
    case .success(let batch):
      pieces = Deque(batch.pieces)
      next = batch.end
      state = .sending
      send()
    }
  }

  /// Everything that was given to the blocked channel may have been sent.
  private func didSend() {
    guard case .sending = state, let channel = blocked, isSent(channel) else { return }
    blocked = nil
    send()
  }

  private func isSent(_ channel: Channel) -> Bool {
    outputs[channel]?.sentBytes == given[channel, default: 0]
  }

  private func send() {
    while isOpen, case .sending = state, blocked == nil {
      guard let piece = pieces.popFirst() else { return didSendAll() }
      guard !stopped.contains(piece.channel), let output = outputs[piece.channel] else { continue }
      given[piece.channel, default: 0] += UInt64(piece.chunk.count)
      _ = output.send(piece.chunk)
      if !isSent(piece.channel) { blocked = piece.channel }
    }
  }

  private func didSendAll() {
    switch next {
    case .more where request.follow == false && hasReachedLimit: finishBeforeEnd()
    case .more: read()
    case .waiting where result != nil: read()
    case .waiting where request.follow == false: finishBeforeEnd()
    case .waiting where job.changes != changes: read()
    case .waiting: state = .waiting
    case .end:
      state = .complete
      complete()
    }
  }

  /// The client wants only what there is.
  private func finishBeforeEnd() {
    state = .complete
    var result = CloseResult(.detached)
    if let position = reader?.position {
      result.bytes = ["1": position.output, "2": position.error]
    }
    self.result = result
    complete()
  }

  /// Whether everything was sent that there was when the stream attached.
  private var hasReachedLimit: Bool {
    guard let position = reader?.position else { return false }
    return channels.allSatisfy { channel in
      let name = "\(channel.rawValue)"
      let reached = channel == .stdout ? position.output : position.error
      return reached >= limits[name, default: 0]
    }
  }

  /// Ends the outputs and, after them, the stream.
  private func complete() {
    guard result != nil else { return }
    for output in outputs.values { output.finish() }
    finishIfEnded()
  }

  private func finishIfEnded() {
    guard case .complete = state, unfinished.isEmpty, let result else { return }
    finish(result)
  }

  // MARK: From the client

  override func receive(_ chunk: Chunk, on channel: Channel) {
    guard channel == .stdin, job.receiveInput(chunk, from: self) else {
      link?.consume(stream, channel, chunk.count)
      return
    }
    guard job.acceptedInput - reportedInput >= Self.inputStep else { return }
    reportedInput = job.acceptedInput
    link?.control(stream, .taken(["0": reportedInput]))
  }

  /// After this many bytes of input the client gets a `taken` message, so that it can drop its copy
  /// of them. Fewer bytes would mean more messages.
  private static let inputStep: UInt64 = 64 << 10

  override func receiveEnd(of channel: Channel) {
    if channel == .stdin { job.receiveEndOfInput(from: self) }
  }

  override func stopSending(_ number: UInt8) {
    guard let channel = Channel(rawValue: number), let output = outputs[channel],
      stopped.insert(channel).inserted
    else { return }
    _ = output.takeBack()
    given[channel] = output.sentBytes
    output.finish()
    didSend()
  }

  override func didTake(_ offsets: [String: UInt64]) {
    job.didTake(Self.offsets(offsets), by: self)
  }

  // MARK: JobInputSource

  func jobDidTakeInput(_ count: Int) {
    guard let link else { return }
    link.growInput(stream, .stdin)
    link.consume(stream, .stdin, count)
  }

  func jobDidEndInput() { link?.control(stream, .stopSending(Channel.stdin.rawValue)) }
}
