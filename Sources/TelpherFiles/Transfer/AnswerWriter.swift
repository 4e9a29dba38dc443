internal import TelpherTransport
internal import TelpherWire

/// What a receiver says of the entries that were announced: runs of `want` and `skip` become one
/// record each.
struct AnswerWriter {
  private let port: TransferPort
  private var lines: [UInt8] = []
  private var run: (first: Int, count: Int, isWanted: Bool)?

  init(port: TransferPort) { self.port = port }

  /// Bytes of answers that are gathered before they go.
  private static let linesPerFrame = 32 * 1024

  /// Whether it is time to flush.
  var isMuch: Bool { lines.count >= Self.linesPerFrame }

  /// The file of this number is to come.
  mutating func want(_ number: Int) { add(number, isWanted: true) }

  /// Nothing is needed of it.
  mutating func skip(_ number: Int) { add(number, isWanted: false) }

  /// The file is to come from `offset` on, if what is there is its beginning.
  mutating func want(_ number: Int, offset: Int64, prefixDigest: String) {
    endRun()
    var record = TreeRecord()
    (record.want, record.offset, record.prefixDigest) = (number, offset, prefixDigest)
    lines += record.encoded()
  }

  /// An entry could not be stored.
  mutating func fail(_ number: Int?, _ path: RelativePath?, _ message: String) {
    endRun()
    var record = TreeRecord(file: number ?? -1)
    record.failed = message
    record.path = path.map { PathText($0.bytes) }
    lines += record.encoded()
  }

  private mutating func add(_ number: Int, isWanted: Bool) {
    if let run, run.isWanted == isWanted, run.first + run.count == number {
      self.run = (run.first, run.count + 1, isWanted)
    } else {
      endRun()
      run = (number, 1, isWanted)
    }
  }

  private mutating func endRun() {
    guard let run else { return }
    self.run = nil
    var record = TreeRecord()
    if run.isWanted { record.want = run.first } else { record.skip = run.first }
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
