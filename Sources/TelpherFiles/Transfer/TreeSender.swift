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
  /// Answers that may wait for their files: one for each, and many for entries that need none.
  private static let maxAnswers = 16 * maxAhead
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
  var output: RecordWriter
  var port: TransferPort { output.port }
  var walker: TreeWalker
  var isWalkOver = false
  var nextNumber = 0
  var openFolders: [Int] = []
  var items: Deque<Item> = []
  var reader = RecordReader()
  var answers: Deque<Answer> = []
  /// Files that the receiver gave up while they were sent.
  var abandoned: Set<Int> = []
  var folder: Folder?
  var failureList = FailureList()
  /// What could not be sent, or was told by the receiver as not stored; the first of it.
  public var failures: [TransferFailure] { failureList.kept }
  /// How many those are in all.
  public var failureCount: Int { failureList.count }

  /// A sender of what is at `source` below `root`, under the name `name` (empty: what the folder
  /// `source` holds).
  public init(
    port: TransferPort, root: Root, source: RelativePath, name: [UInt8],
    options: TransferOptions, meter: TransferMeter? = nil
  ) {
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
        if !isWalkOver && items.count < Self.maxAhead {
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
    output.flush()
    port.finish(.index)
    port.finish(.file)
    // The end of its records means that everything is in its place.
    while let chunk = try port.receive(.index) { try take(try reader.read(chunk)) }
  }

  // MARK: Announcing

  /// Announces the source itself. A link that is named is followed, as far as it leads somewhere.
  mutating func announceSource() throws(FileError) {
    var found = try root.status(source, followsLink: false)
    if found.0.kind == .link, let target = try? root.status(source, followsLink: true) {
      found = target
    }
    try announce(source, found.0, found.linkTarget)
    isWalkOver = found.0.kind != .folder
    if isWalkOver { try complete() }
  }

  mutating func complete() throws(FileError) {
    isWalkOver = true
    var record = TreeRecord()
    record.isComplete = true
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
    case .folder: openFolders.append(nextNumber)
    case .link: break
    case .other(let what):
      return try fail(
        nil, path,
        FileError(.notAFile, "'\(path)' is \(what), which is not transferred", path: "\(path)"))
    }
    nextNumber += 1
    output.write(TreeRecord(entry: entry(path, status, link)))
  }

  private mutating func announceFile(_ path: RelativePath, _ status: FileStatus) throws(FileError) {
    items.append(.file(nextNumber, path, status))
    nextNumber += 1
    meter?.update { $0.announce(status.size) }
    // The source itself may be sent under another name.
    if path != source, !options.comparesDigests,
      let name = String(validating: path.name, as: UTF8.self)
    {
      return output.announce(name, in: wirePath(of: path.parent), status)
    }
    var entry = entry(path, status, nil)
    if options.comparesDigests { entry.digest = try? digest(of: path) }
    output.write(TreeRecord(entry: entry))
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
    // The number of the first entry that is not done with.
    let firstPending =
      switch items.first {
      case .file(let number, _, _): number
      case .leave, nil: 0
      }
    for record in records {
      if let message = record.failed {
        // Of others it does not matter any more, and any number would be kept.
        if let number = record.file, firstPending..<nextNumber ~= number {
          abandoned.insert(number)
        }
        note(record.path.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "", message)
      } else if let first = record.want ?? record.skip {
        let (end, overflow) = first.addingReportingOverflow(record.count ?? 1)
        guard first >= 0, end > first, !overflow, end <= nextNumber else {
          throw FileError(.protocolError, "the receiver answered what was not asked")
        }
        guard answers.count < Self.maxAnswers else {
          throw FileError(.tooLarge, "more than \(Self.maxAnswers) answers of the receiver wait")
        }
        guard record.prefixDigest?.utf8.count ?? 0 <= Self.maxDigest else {
          throw FileError(.protocolError, "a digest has more than \(Self.maxDigest) characters")
        }
        answers.append(
          Answer(
            first: first, count: record.count ?? 1, isWanted: record.want != nil,
            offset: record.offset ?? 0, prefixDigest: record.prefixDigest))
      }
    }
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
      abandoned.remove(number)
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
