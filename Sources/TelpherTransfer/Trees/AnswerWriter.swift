internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

/// Writes a receiver's answers to announced entries. Equal answers to consecutive entries become
/// one record.
struct AnswerWriter {
  /// The answer to an entry.
  enum Answer: Equatable {
    /// The sender should send the file.
    case want
    /// The existing entry is kept.
    case skip(SkipReason)
    /// The entry is stored.
    case stored
  }

  private let port: TransferPort
  private var lines: [UInt8] = []
  private var run: (entries: EntryRun, answer: Answer)?

  init(port: TransferPort) { self.port = port }

  /// The bytes of answers that are collected into one frame.
  private static let linesPerFrame = 32 * 1024

  /// Whether the collected answers fill a frame and should be flushed.
  var isFrameFull: Bool { lines.count >= Self.linesPerFrame }

  /// Adds an answer to the entry `number`.
  mutating func add(_ answer: Answer, for number: Int) {
    if let run, run.answer == answer, run.entries.first + run.entries.count == number {
      self.run?.entries.count += 1
    } else {
      endRun()
      run = (EntryRun(number), answer)
    }
  }

  /// Asks for the file from `offset` on. `prefixDigest` is the digest of the bytes before it that
  /// the receiver has; if it does not match, the sender starts at 0.
  mutating func want(_ number: Int, offset: Int64, prefixDigest: String) {
    endRun()
    let prefix = FilePrefix(length: offset, digest: prefixDigest)
    lines += TreeRecord.want(EntryRun(number), after: prefix).encoded()
  }

  /// Reports that an entry failed.
  mutating func fail(_ number: Int, _ path: RelativePath, _ message: String) {
    endRun()
    lines += TreeRecord.failure(number, message, path: PathText(path.written)).encoded()
  }

  /// Adds the last record: all entries are settled.
  mutating func end(_ counts: TreeCounts) {
    endRun()
    lines += TreeRecord.settled(counts).encoded()
  }

  private mutating func endRun() {
    guard let (entries, answer) = run else { return }
    run = nil
    let record: TreeRecord =
      switch answer {
      case .want: .want(entries, after: nil)
      case .skip(let reason): .skip(entries, reason)
      case .stored: .stored(entries)
      }
    lines += record.encoded()
  }

  /// Queues the collected answers for sending.
  mutating func flush() {
    endRun()
    guard !lines.isEmpty else { return }
    port.enqueue(Chunk(lines), on: .index)
    lines = []
  }
}
