internal import DequeModule
public import TelpherFileStore
internal import TelpherTransport
public import TelpherWire

/// Sends files, folders and links over one stream, without a round trip for each (docs/PROTOCOL.md,
/// "Trees"). It announces entries ahead, and sends the files that the receiver wants as the answers
/// arrive. The server and the client both use it. Its methods block, so it runs on a worker's
/// thread.
public struct TreeSender {
  /// The maximum number of items that are announced and not yet sent or skipped. It is large enough
  /// to keep a distant receiver busy, and limits the memory at both ends.
  static let maxAhead = 4_096
  /// The maximum total length of the paths of files that are announced and not settled, in bytes.
  /// The receiver holds these paths. It is well above the paths of one group, which the receiver
  /// settles together.
  static let maxOpenFileBytes = 1 << 20
  /// The maximum number of answers that wait for their files: one for each file, and many for
  /// entries that need none.
  private static let maxAnswers = 16 * maxAhead
  /// The maximum number of announced entries that are not settled. The receiver settles them in
  /// much smaller groups.
  private static let maxOpen = 65_536
  /// The maximum number of characters in a digest: twice that of the longest algorithm.
  private static let maxDigest = 128
  /// The maximum size in bytes of a small file. Small files are read at once and share full frames.
  static let smallFile: Int64 = 64 * 1024
  /// The bytes of a large file that one record announces. If the file turns out to be shorter, the
  /// rest of the piece is sent as zeros.
  static let piece: Int64 = 4 << 20

  /// An announced file that is not yet sent or skipped, or the end of a folder.
  enum Item {
    case file(Int, SourcePath, FileStatus)
    case leave(Int)
  }

  /// The receiver's answer to these entries.
  struct Answer {
    var numbers: Range<Int>
    var isWanted: Bool
    /// The beginning of the file that the receiver has already.
    var prefix: FilePrefix?
  }

  /// A path and the source that it belongs to.
  struct SourcePath {
    /// The index of the source.
    let source: Int
    let path: RelativePath
  }

  let sources: [TreeSource]
  let options: TransferOptions
  let meter: TransferMeter?
  let onFile: FileReportHandler?
  var output: RecordWriter
  var port: TransferPort { output.port }
  /// The number of the first entry of each source whose announcement has begun.
  var firstEntries: [Int] = []
  /// The walk through the folder that is being announced; nil between two sources.
  var walker: TreeWalker?
  /// Whether everything is announced.
  var isComplete = false
  var roots = SourceRoots()
  /// The account of all entries.
  var ledger = TransferLedger()
  /// The receiver's final counts; nil until they arrive.
  private var settled: TreeCounts?
  var openFolders: [Int] = []
  var items: Deque<Item> = []
  var reader = RecordReader()
  var answers: Deque<Answer> = []
  /// The number after the last answered entry.
  private var nextAnswer = 0
  /// Files that this side could not send and that the receiver has not settled.
  var unsendable: Set<Int> = []
  /// The folder that was used last.
  var folder: Folder?
  /// The bytes of the current file that were sent.
  var moved: Int64 = 0
  var failureList: FailureList
  /// The first entries that could not be sent or stored. `counts` has the total number.
  public var failures: [TransferFailure] { failureList.kept }
  /// The counts of entries by outcome. After `run` has returned they equal the receiver's.
  public var counts: TreeCounts { ledger.counts }

  /// Creates a sender of the file, folder or link at `source` below `root`. `name` is its name at
  /// the receiver; if empty, the contents of the folder `source` are sent.
  public init(
    port: TransferPort, root: Root, source: RelativePath, name: [UInt8],
    options: TransferOptions, meter: TransferMeter? = nil, onFile: FileReportHandler? = nil
  ) {
    self.init(
      port: port,
      sources: [TreeSource(place: .root(root), path: source, name: name, status: nil)],
      options: options, meter: meter, onFile: onFile)
  }

  /// Creates a sender of several files, folders and links, which all have different names at the
  /// receiver.
  ///
  /// - Parameter sources: one or more.
  package init(
    port: TransferPort, sources: [TreeSource], options: TransferOptions,
    meter: TransferMeter? = nil, onFile: FileReportHandler? = nil
  ) {
    self.onFile = onFile
    self.sources = sources
    failureList = FailureList(sources: sources.count)
    self.options = options
    self.meter = meter
    output = RecordWriter(port: port)
  }

  /// Sends everything, and waits until the receiver has settled it. Failures of single entries are
  /// listed in `failures`.
  ///
  /// - Throws: `FileError` if the only source can't be found, the receiver violates the protocol, or
  ///   the stream is over.
  public mutating func run() throws(FileError) {
    try announceNext()
    while true {
      try takeAnswers(waiting: false)
      if try !sendNext() {
        if !isComplete && items.count < Self.maxAhead && ledger.openCount < Self.maxOpen
          && ledger.openFileBytes < Self.maxOpenFileBytes
        {
          try announceNext()
        } else if isComplete && items.isEmpty {
          break
        } else {
          output.flush()
          try takeAnswers(waiting: true)
        }
      }
      try waitForRoom()
    }
    try finish()
  }

  /// Ends the channels, and waits until the receiver has settled all entries.
  mutating func finish() throws(FileError) {
    output.flush()
    port.finish(.index)
    port.finish(.file)
    // The receiver ends its records after all entries are settled.
    while let chunk = try port.receive(.index) { try take(try reader.read(chunk)) }
    try checkLedger()
  }

  /// Checks that the receiver has settled every entry, and that both sides have the same counts.
  private func checkLedger() throws(FileError) {
    let total = ledger.announced.entries.total
    guard ledger.openCount == 0 else {
      throw FileError(
        .protocolError,
        "the receiver settled \(total - ledger.openCount) of the \(total) entries that were sent")
    }
    guard let settled else {
      throw FileError(
        .protocolError, "the receiver did not send its counts of the \(total) entries")
    }
    guard settled == ledger.counts else {
      throw FileError(
        .protocolError, "the receiver's counts of the \(total) entries differ from its answers")
    }
  }

  // MARK: Answers

  /// Waits until more data may be queued. Handles the receiver's answers meanwhile, since the
  /// receiver may be blocked until they are read.
  mutating func waitForRoom() throws(FileError) {
    while try !port.waitForRoom(orPieceOf: .index) { try takeAnswers(waiting: false) }
  }

  /// Handles the answers that have arrived. With `waiting`, waits for at least one chunk.
  mutating func takeAnswers(waiting: Bool) throws(FileError) {
    if waiting {
      guard let chunk = try port.receive(.index) else {
        throw FileError(.protocolError, "the receiver ended before it answered all entries")
      }
      try take(try reader.read(chunk))
    }
    while let chunk = try port.poll(.index) { try take(try reader.read(chunk)) }
  }

  mutating func take(_ records: [TreeRecord]) throws(FileError) {
    for record in records {
      switch record {
      case .file(let part):
        guard case .failed(let message, let path) = part.end else { continue }
        try takeFailure(part.number, path, message)
      case .stored(let run):
        for number in try numbers(of: run) { try settle(number, .stored) }
      case .skip(let run, let reason):
        let numbers = try numbers(of: run)
        for number in numbers { try settle(number, .skipped(reason)) }
        try add(Answer(numbers: numbers, isWanted: false))
      case .want(let run, let prefix):
        guard prefix?.digest.utf8.count ?? 0 <= Self.maxDigest else {
          throw FileError(.protocolError, "a digest has more than \(Self.maxDigest) characters")
        }
        try add(Answer(numbers: try numbers(of: run), isWanted: true, prefix: prefix))
      case .settled(let counts): settled = counts
      // Only a sender sends these.
      case .entry, .files, .whole, .leave, .complete, .unknown: break
      }
    }
  }

  /// The numbers of the entries that an answer is about.
  private func numbers(of run: EntryRun) throws(FileError) -> Range<Int> {
    let (end, overflow) = run.first.addingReportingOverflow(run.count)
    guard run.first >= 0, end > run.first, !overflow, end <= ledger.nextNumber else {
      throw FileError(.protocolError, "the receiver answered for an unknown or settled entry")
    }
    return run.first..<end
  }

  private mutating func add(_ answer: Answer) throws(FileError) {
    guard answers.count < Self.maxAnswers else {
      throw FileError(
        .tooLarge, "the receiver sent more than \(Self.maxAnswers) answers ahead of the files")
    }
    nextAnswer = answer.numbers.upperBound
    answers.append(answer)
  }

  /// Handles the receiver's report of a failed entry. If the entry has no answer yet, this is it.
  private mutating func takeFailure(
    _ number: Int, _ path: PathText?, _ message: String
  ) throws(FileError) {
    guard let entry = ledger[number] else {
      throw FileError(.protocolError, "the receiver answered for an unknown or settled entry")
    }
    // A failure to send is already noted.
    if unsendable.remove(number) == nil {
      note(path.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "\(entry.path)", message)
    }
    report(number, ledger.settleFailure(number).entry, .failed(message))
    if entry.kind == .file, number >= nextAnswer {
      try add(Answer(numbers: number..<(number + 1), isWanted: false))
    }
  }

  /// Settles an entry with the outcome that the receiver reported.
  private mutating func settle(
    _ number: Int, _ outcome: TransferLedger.Outcome
  ) throws(FileError) {
    guard let entry = ledger[number] else {
      throw FileError(.protocolError, "the receiver settled entry \(number), which is not open")
    }
    if case .stored = outcome, entry.kind == .file, entry.digest == nil {
      throw FileError(
        .protocolError, "the receiver stored '\(entry.path)' before all of it was sent")
    }
    ledger.settle(number, outcome)
    switch outcome {
    case .stored: report(number, entry, .stored)
    case .skipped(let reason): report(number, entry, .skipped(reason))
    case .failed: preconditionFailure("a failure has a reason: see `takeFailure`")
    }
  }

  private func report(
    _ number: Int, _ entry: TransferLedger.Entry, _ outcome: FileReport.Outcome
  ) {
    guard let onFile, entry.kind == .file else { return }
    onFile(
      FileReport(source(of: number).wirePath(of: entry.path), entry, outcome, options.digest))
  }

  /// Handles the first item of the queue, if the receiver has answered it.
  ///
  /// - Returns: whether an item was handled.
  mutating func sendNext() throws(FileError) -> Bool {
    guard let item = items.first else { return false }
    switch item {
    case .leave(let number):
      output.write(.leave(number))
    case .file(let number, let path, let status):
      guard let answer = try answer(for: number) else { return false }
      if answer.isWanted {
        meter?.update { $0.begin(path.path) }
        try send(number, path, status, answer.prefix)
      } else {
        meter?.update { $0.skip(status.size) }
      }
    }
    items.removeFirst()
    return true
  }

  /// The answer to the file `number`; nil if it has not arrived.
  mutating func answer(for number: Int) throws(FileError) -> Answer? {
    while let answer = answers.first {
      guard number < answer.numbers.upperBound else {
        answers.removeFirst()
        continue
      }
      // This answer is for a later entry, so the one for this file is missing.
      guard answer.numbers.lowerBound <= number else {
        throw FileError(.protocolError, "the receiver did not answer in order")
      }
      return answer
    }
    return nil
  }
}
