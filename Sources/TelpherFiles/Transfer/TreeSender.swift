internal import DequeModule
public import TelpherTransport
public import TelpherWire

/// Sends files, folders and links over one stream, without a round trip for each (docs/PROTOCOL.md,
/// "Trees"). It announces entries ahead, and sends the files that the receiver wants as its answers
/// come. Both ends of a connection use it; it runs on a worker's thread.
public struct TreeSender {
  /// Files that are announced and not answered or not sent yet, at most: enough that a far receiver
  /// never stands still, and a bound to what is kept.
  static let maxAhead = 4_096
  /// Bytes of the paths of files that are announced and not settled, at most, since the receiver keeps
  /// them: well above those of a group of its, which it settles at once.
  static let maxOpenFileBytes = 1 << 20
  /// Answers that may wait for their files: one for each, and many for entries that need none.
  private static let maxAnswers = 16 * maxAhead
  /// Entries that are announced and not settled, at most, before the receiver is waited for. It settles
  /// them in groups that are much smaller.
  private static let maxOpen = 65_536
  /// Characters of a digest, at most: twice those of the longest.
  private static let maxDigest = 128
  /// Files up to this size are read whole and sent side by side in full frames.
  static let smallFile: Int64 = 64 * 1024
  /// Bytes that are promised at once: what has to be made up with zeros where a file turns out
  /// shorter.
  static let piece: Int64 = 4 << 20

  /// What is announced and not done with.
  enum Item {
    case file(Int, RelativePath, FileStatus)
    case leave(Int)
  }

  /// What the receiver said of `count` files from number `first` on.
  struct Answer {
    var first: Int
    var count: Int
    var isWanted: Bool
    var offset: Int64
    var prefixDigest: String?
  }

  let root: Root
  let source: RelativePath
  let name: [UInt8]
  let options: TransferOptions
  let meter: TransferMeter?
  let onFile: FileReportHandler?
  var output: RecordWriter
  var port: TransferPort { output.port }
  var walker: TreeWalker
  var isWalkOver = false
  /// What became of each entry.
  var ledger = TransferLedger()
  /// What the receiver says that became of them, once it has said so.
  private var settled: TreeCounts?
  var openFolders: [Int] = []
  var items: Deque<Item> = []
  var reader = RecordReader()
  var answers: Deque<Answer> = []
  /// The number behind the last answer.
  private var nextAnswer = 0
  /// Files that this side could not send, and which the receiver has not settled.
  var unsendable: Set<Int> = []
  var folder: Folder?
  /// Bytes of the current file that were sent.
  var moved: Int64 = 0
  var failureList = FailureList()
  /// What could not be sent, or could not be stored by the receiver; the first of it, `counts` knows
  /// how much it was.
  public var failures: [TransferFailure] { failureList.kept }
  /// What became of the entries: the same as the receiver's counts after `run` has returned.
  public var counts: TreeCounts { ledger.counts }

  /// A sender of what is at `source` below `root`, under the name `name` (empty: what the folder
  /// `source` holds).
  public init(
    port: TransferPort, root: Root, source: RelativePath, name: [UInt8],
    options: TransferOptions, meter: TransferMeter? = nil, onFile: FileReportHandler? = nil
  ) {
    self.onFile = onFile
    self.root = root
    self.source = source
    self.name = name
    self.options = options
    self.meter = meter
    output = RecordWriter(port: port)
    walker = TreeWalker(root: root, start: source)
  }

  /// Sends it all, and waits until the receiver has stored what it wanted.
  ///
  /// - Throws: `FileError` where nothing can be sent, or the stream is over.
  public mutating func run() throws(FileError) {
    try announceSource()
    while true {
      try takeAnswers(waiting: false)
      if try !sendNext() {
        if !isWalkOver && items.count < Self.maxAhead && ledger.openCount < Self.maxOpen
          && ledger.openFileBytes < Self.maxOpenFileBytes
        {
          try announceNext()
        } else if isWalkOver && items.isEmpty {
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

  /// All is sent: waits until the receiver has settled it.
  mutating func finish() throws(FileError) {
    output.flush()
    port.finish(.index)
    port.finish(.file)
    // The end of its records means that everything is in its place.
    while let chunk = try port.receive(.index) { try take(try reader.read(chunk)) }
    try checkLedger()
  }

  /// Makes sure that the receiver has settled every entry, and counts the same.
  private func checkLedger() throws(FileError) {
    guard ledger.openCount == 0, settled == ledger.counts else {
      let total = ledger.announced.entries.total
      throw FileError(
        .protocolError,
        "the receiver accounts for \(total - ledger.openCount) of the \(total) entries that were sent"
      )
    }
  }

  // MARK: Announcing

  /// Announces the source itself. A link that is named is followed, as far as it leads somewhere.
  mutating func announceSource() throws(FileError) {
    var found = try root.status(source, followsLink: false)
    if found.0.kind == .link {
      do throws(FileError) {
        found = try root.status(source, followsLink: true)
      } catch {
        // A link that leads nowhere, or out of the root, is sent as a link.
        guard error.code == .notFound || error.code == .badPath else { throw error }
      }
    }
    try announce(source, found.0, found.linkTarget)
    isWalkOver = found.0.kind != .folder
    if isWalkOver { try complete() }
  }

  mutating func complete() throws(FileError) {
    isWalkOver = true
    var record = TreeRecord()
    record.complete = ledger.announced
    meter?.update { $0.isTotalKnown = true }
    output.write(record)
  }

  mutating func announceNext() throws(FileError) {
    guard let step = walker.next() else {
      // The source's own end, which the walker does not tell.
      if let number = openFolders.popLast() { items.append(.leave(number)) }
      return try complete()
    }
    switch step {
    case .entry(let path, let status, let link): try announce(path, status, link)
    case .leave:
      guard let number = openFolders.popLast() else {
        preconditionFailure("the walker leaves the folders that it entered")
      }
      items.append(.leave(number))
    case .failed(let path, let error): try fail(nil, path, error)
    }
  }

  mutating func announce(
    _ path: RelativePath, _ status: FileStatus, _ link: [UInt8]?
  ) throws(FileError) {
    switch status.kind {
    case .file: return try announceFile(path, status)
    case .folder: openFolders.append(ledger.announce(.folder, path))
    case .link: _ = ledger.announce(.link, path)
    case .other(let what):
      return try fail(
        nil, path,
        FileError(.notAFile, "'\(path)' is \(what), which is not transferred", path: "\(path)"))
    }
    output.write(TreeRecord(entry: entry(path, status, link)))
  }

  private mutating func announceFile(_ path: RelativePath, _ status: FileStatus) throws(FileError) {
    let digest = options.comparesDigests ? try? digest(of: path) : nil
    items.append(.file(ledger.announce(.file, path, digest: digest), path, status))
    meter?.update { $0.announce(status.size) }
    // The source itself may be sent under another name.
    let isUnsized = status.size == 0 && isContentAt(path)
    if path != source, !options.comparesDigests, !isUnsized,
      let name = String(validating: path.name, as: UTF8.self)
    {
      return output.announce(name, in: wirePath(of: path.parent), status)
    }
    var entry = entry(path, status, nil)
    // How long it is shows when it is read.
    if isUnsized { entry.size = nil }
    entry.digest = digest
    output.write(TreeRecord(entry: entry))
  }

  /// Whether a file whose size is 0 holds something: one of proc(5) for instance. The receiver must not
  /// take it for an unchanged empty one.
  private mutating func isContentAt(_ path: RelativePath) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { byte in
      // If it cannot be read, that shows when it is sent.
      (try? open(path).read(into: byte, at: 0)) ?? 0 > 0
    }
  }

  private func entry(_ path: RelativePath, _ status: FileStatus, _ link: [UInt8]?) -> FileEntry {
    var entry = FileEntry(path, status, link: link)
    entry.path = PathText(wirePath(of: path))
    return entry
  }

  /// How the receiver knows a path.
  func wirePath(of path: RelativePath) -> [UInt8] {
    var below = path.bytes.dropFirst(source.bytes.count)
    if below.first == UInt8(ascii: "/") { below = below.dropFirst() }
    return name.isEmpty || below.isEmpty ? name + below : name + [UInt8(ascii: "/")] + below
  }

  mutating func digest(of path: RelativePath) throws(FileError) -> String {
    let file = try open(path)
    var hasher = FileHasher(options.digest)
    try hasher.update(file, 0..<file.status.size)
    return hasher.digest
  }

  mutating func open(_ path: RelativePath) throws(FileError) -> SourceFile {
    if folder?.path != path.parent { folder = try root.parent(of: path) }
    guard let folder else { preconditionFailure("it was opened in the line above") }
    return try folder.openFile(path.name, followsLink: path == source)
  }

  // MARK: Answers

  /// Waits until more may be queued. What the receiver says is taken meanwhile: it may be unable to
  /// go on before.
  mutating func waitForRoom() throws(FileError) {
    while try !port.waitForRoom(orPieceOf: .index) { try takeAnswers(waiting: false) }
  }

  mutating func takeAnswers(waiting: Bool) throws(FileError) {
    if waiting {
      guard let chunk = try port.receive(.index) else {
        throw FileError(.protocolError, "the receiver ended before it had answered")
      }
      try take(try reader.read(chunk))
    }
    while let chunk = try port.poll(.index) { try take(try reader.read(chunk)) }
  }

  mutating func take(_ records: [TreeRecord]) throws(FileError) {
    for record in records {
      if let message = record.failed {
        try takeFailure(record.file ?? -1, record.path, message)
      } else if let first = record.stored {
        for number in try numbers(first, record) { try settle(number, .stored) }
      } else if let first = record.want ?? record.skip {
        let numbers = try numbers(first, record)
        guard record.prefixDigest?.utf8.count ?? 0 <= Self.maxDigest else {
          throw FileError(.protocolError, "a digest has more than \(Self.maxDigest) characters")
        }
        if record.skip != nil {
          for number in numbers { try settle(number, .skipped(record.reason ?? .unchanged)) }
        }
        try add(
          Answer(
            first: first, count: numbers.count, isWanted: record.want != nil,
            offset: record.offset ?? 0, prefixDigest: record.prefixDigest))
      } else if let settled = record.settled {
        self.settled = settled
      }
    }
  }

  /// The numbers that an answer is about.
  private func numbers(_ first: Int, _ record: TreeRecord) throws(FileError) -> Range<Int> {
    let (end, overflow) = first.addingReportingOverflow(record.count ?? 1)
    guard first >= 0, end > first, !overflow, end <= ledger.nextNumber else {
      throw FileError(.protocolError, "the receiver answered what was not asked")
    }
    return first..<end
  }

  private mutating func add(_ answer: Answer) throws(FileError) {
    guard answers.count < Self.maxAnswers else {
      throw FileError(.tooLarge, "more than \(Self.maxAnswers) answers of the receiver wait")
    }
    nextAnswer = answer.first + answer.count
    answers.append(answer)
  }

  /// The receiver says that an entry has failed. If it had not answered for it, that is the answer.
  private mutating func takeFailure(
    _ number: Int, _ path: PathText?, _ message: String
  ) throws(FileError) {
    guard let entry = ledger[number] else {
      throw FileError(.protocolError, "the receiver answered what was not asked")
    }
    // What this side could not send was noted then.
    if unsendable.remove(number) == nil {
      note(path.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "\(entry.path)", message)
    }
    report(ledger.settleFailure(number).entry, .failed(message))
    if entry.kind == .file, number >= nextAnswer {
      try add(Answer(first: number, count: 1, isWanted: false, offset: 0))
    }
  }

  /// The receiver says what became of an entry.
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
    case .stored: report(entry, .stored)
    case .skipped(let reason): report(entry, .skipped(reason))
    case .failed: preconditionFailure("a failure has a reason: see `takeFailure`")
    }
  }

  private func report(_ entry: TransferLedger.Entry, _ outcome: FileReport.Outcome) {
    guard let onFile, entry.kind == .file else { return }
    onFile(FileReport(wirePath(of: entry.path), entry, outcome, options.digest))
  }

  /// Does what is first in line, where the receiver has answered.
  ///
  /// - Returns: whether anything was done.
  mutating func sendNext() throws(FileError) -> Bool {
    guard let item = items.first else { return false }
    switch item {
    case .leave(let number):
      var record = TreeRecord()
      record.leave = number
      output.write(record)
    case .file(let number, let path, let status):
      guard let answer = try answer(for: number) else { return false }
      if answer.isWanted {
        meter?.update { $0.begin(path) }
        try send(number, path, status, answer)
      } else {
        meter?.update { $0.skip(status.size) }
      }
    }
    items.removeFirst()
    return true
  }

  mutating func answer(for number: Int) throws(FileError) -> Answer? {
    while let answer = answers.first {
      guard number < answer.first + answer.count else {
        answers.removeFirst()
        continue
      }
      // Folders and links in a run need no answer, and stand in none.
      guard answer.first <= number else {
        throw FileError(.protocolError, "the receiver did not answer in order")
      }
      return answer
    }
    return nil
  }
}
