internal import TelpherTransport
internal import TelpherWire

/// What a receiver says of the entries that were announced: runs of the same answer become one record
/// each.
struct AnswerWriter {
  /// What is said of an entry.
  enum Answer: Equatable {
    /// The file is to come.
    case want
    /// What is there stays.
    case skip(SkipReason)
    /// It is in its place.
    case stored
  }

  private let port: TransferPort
  private var lines: [UInt8] = []
  private var run: (first: Int, count: Int, answer: Answer)?

  init(port: TransferPort) { self.port = port }

  /// Bytes of answers that are gathered before they go.
  private static let linesPerFrame = 32 * 1024

  /// Whether it is time to flush.
  var isMuch: Bool { lines.count >= Self.linesPerFrame }

  /// Says `answer` of the entry of this number.
  mutating func add(_ answer: Answer, for number: Int) {
    if let run, run.answer == answer, run.first + run.count == number {
      self.run = (run.first, run.count + 1, answer)
    } else {
      endRun()
      run = (number, 1, answer)
    }
  }

  /// The file is to come from `offset` on, if what is there is its beginning.
  mutating func want(_ number: Int, offset: Int64, prefixDigest: String) {
    endRun()
    var record = TreeRecord()
    (record.want, record.offset, record.prefixDigest) = (number, offset, prefixDigest)
    lines += record.encoded()
  }

  /// An entry has failed.
  mutating func fail(_ number: Int, _ path: RelativePath, _ message: String) {
    endRun()
    var record = TreeRecord(file: number)
    record.failed = message
    record.path = PathText(path.written)
    lines += record.encoded()
  }

  /// All entries are settled: the last record.
  mutating func end(_ counts: TreeCounts) {
    endRun()
    var record = TreeRecord()
    record.settled = counts
    lines += record.encoded()
  }

  private mutating func endRun() {
    guard let run else { return }
    self.run = nil
    var record = TreeRecord()
    switch run.answer {
    case .want: record.want = run.first
    case .skip(let reason): (record.skip, record.reason) = (run.first, reason)
    case .stored: record.stored = run.first
    }
    record.count = run.count
    lines += record.encoded()
  }

  /// Queues what was said.
  mutating func flush() {
    endRun()
    guard !lines.isEmpty else { return }
    port.enqueue(Chunk(lines), on: .index)
    lines = []
  }
}
