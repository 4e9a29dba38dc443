internal import DequeModule
internal import TelpherJournal
internal import TelpherTransport
internal import TelpherWire

/// Writes the outputs of a durable job into its journal, in the order in which they were read, on
/// threads for the disk. Use it only on its loop's thread.
final class JournalOutlet: JobOutlet {
  /// The most bytes of output that wait for the disk: two reads of a pipe. The command's pipe is not
  /// read meanwhile.
  static let queueLimit = 256 << 10

  /// A piece of output that waits.
  private struct Piece: Sendable {
    let channel: JournalChannel
    var chunk: Chunk
  }

  /// The result of writing some pieces.
  private struct Outcome: Sendable {
    /// The pieces that the journal has no room for.
    var rest: [Piece] = []
    var isFull = false
  }

  private let writer: JournalWriter
  private let workers: JobWorkers
  private weak var delegate: (any JournalOutletDelegate)?
  private var sinks: [JournalSink] = []
  private var queue: Deque<Piece> = []
  private var queuedBytes = 0
  private var isWriting = false
  /// Whether the journal takes nothing before its readers have made room.
  private var isFull = false
  /// Whether what a full journal does not take is dropped: the job is being ended.
  private var dropsWhenFull = false
  /// The number of changes of the journal.
  private(set) var changes: UInt64 = 0

  init(_ writer: JournalWriter, workers: JobWorkers, delegate: any JournalOutletDelegate) {
    self.writer = writer
    self.workers = workers
    self.delegate = delegate
  }

  /// How many bytes may be added.
  fileprivate var room: Int { max(0, Self.queueLimit - queuedBytes) }

  // MARK: JobOutlet

  func jobDidAttach(at offsets: [String: UInt64]) {
    preconditionFailure("the outlet of a journal is attached before its job starts")
  }

  func open(_ channel: Channel) -> any OutputSink {
    if sinks.isEmpty { delegate?.jobDidStart() }
    let sink = JournalSink(self, channel == .stdout ? .output : .error)
    sinks.append(sink)
    return sink
  }

  func jobDidTakeInput(_ count: Int, total: UInt64) { delegate?.jobDidTakeInput(count) }

  func jobDidEndInput() { delegate?.jobDidEndInput() }

  func jobDidLeave(_ reason: JobLeave) {
    guard case .finished(let result) = reason else {
      preconditionFailure("nothing else attaches to the job, and the outlet never detaches")
    }
    workers.perform { [writer] in
      // If the index can't be written, readers find the end of the journal by its records.
      try? writer.finish()
    } then: { [self] in
      changes += 1
      delegate?.journalDidEnd(with: result)
    }
  }

  // MARK: Writing

  fileprivate func add(_ chunk: Chunk, to channel: JournalChannel) {
    queue.append(Piece(channel: channel, chunk: chunk.compacted()))
    queuedBytes += chunk.count
    write()
  }

  /// Reports the end of an output once everything before it is written.
  fileprivate func finish(_ sink: JournalSink) { reportEnds() }

  /// Readers have taken everything before these offsets.
  func release(before offsets: JournalOffsets) {
    workers.perform { [writer] in
      writer.release(before: offsets)
    } then: { [self] madeRoom in
      guard madeRoom, isFull else { return }
      isFull = false
      write()
    }
  }

  /// From now on drops what a full journal does not take, so that the job can end.
  func dropWhenFull() {
    dropsWhenFull = true
    if isFull {
      isFull = false
      write()
    }
  }

  private func write() {
    guard !isWriting, !isFull, !queue.isEmpty else { return }
    isWriting = true
    let pieces = Array(queue)
    queue.removeAll(keepingCapacity: true)
    let (writer, drops) = (writer, dropsWhenFull)
    workers.perform {
      Self.write(pieces, to: writer, drops: drops)
    } then: { [self] outcome in
      isWriting = false
      let rest = outcome.rest.reduce(0) { $0 + $1.chunk.count }
      let written = pieces.reduce(0) { $0 + $1.chunk.count } - rest
      queuedBytes -= written
      queue.insert(contentsOf: outcome.rest, at: 0)
      isFull = outcome.isFull && !dropsWhenFull
      if written > 0 {
        changes += 1
        delegate?.journalDidGrow()
      }
      write()
      for sink in sinks { sink.wake() }
      reportEnds()
    }
  }

  private static func write(_ pieces: [Piece], to writer: JournalWriter, drops: Bool) -> Outcome {
    var outcome = Outcome()
    for (index, piece) in pieces.enumerated() {
      guard
        case .full(let taken) = piece.chunk.withUnsafeBytes({
          writer.append($0, to: piece.channel)
        })
      else { continue }
      var rest = piece
      _ = rest.chunk.removePrefix(taken)
      if drops {
        writer.skip(rest.chunk.count, of: piece.channel)
      } else {
        outcome.isFull = true
        outcome.rest = [rest] + pieces[(index + 1)...]
        return outcome
      }
    }
    return outcome
  }

  private func reportEnds() {
    guard queue.isEmpty, !isWriting else { return }
    for sink in sinks { sink.reportEnd() }
  }
}

/// Gets what happens to a journal and to the input of its job. All calls come on the loop's thread.
protocol JournalOutletDelegate: AnyObject {
  /// The command has started.
  func jobDidStart()
  /// The command took `count` bytes of its input.
  func jobDidTakeInput(_ count: Int)
  /// The command takes no more input.
  func jobDidEndInput()
  /// The journal has more.
  func journalDidGrow()
  /// The job has ended with this result, and its journal is complete. The last call.
  func journalDidEnd(with result: CloseResult)
}

/// Takes one output of a job for its journal.
private final class JournalSink: OutputSink {
  private unowned let outlet: JournalOutlet
  private let channel: JournalChannel
  private(set) var sentBytes: UInt64 = 0
  var onReady: (() -> Void)?
  var onFinished: (() -> Void)?
  private var isAwaited = false
  private var isFinished = false

  init(_ outlet: JournalOutlet, _ channel: JournalChannel) {
    self.outlet = outlet
    self.channel = channel
  }

  var credit: Int { outlet.room }

  func awaitCredit() -> Int {
    isAwaited = credit == 0
    return credit
  }

  func send(_ chunk: Chunk) -> Bool {
    sentBytes += UInt64(chunk.count)
    outlet.add(chunk, to: channel)
    isAwaited = credit == 0
    return !isAwaited
  }

  func finish() {
    isFinished = true
    outlet.finish(self)
  }

  // It has passed on everything at once.
  func takeBack() -> Chunk? { nil }

  func wake() {
    guard isAwaited, credit > 0 else { return }
    isAwaited = false
    onReady?()
  }

  func reportEnd() {
    guard isFinished, let report = onFinished else { return }
    onFinished = nil
    report()
  }
}
