internal import TelpherTransport
internal import TelpherWire

extension TreeSender {
  /// How often a file is read that changes each time while it is read: it may have been written once or
  /// twice at the wrong moment, and one that is written all the time never holds still.
  static let attempts = 3

  /// Sends a file that the receiver wants. It is read again if it changed while it was read.
  ///
  /// - Throws: `FileError` if the stream is over. A failure of the file alone is reported.
  mutating func send(
    _ number: Int, _ path: RelativePath, _ announced: FileStatus, _ answer: Answer
  ) throws(FileError) {
    moved = 0
    var answer = answer
    for attempt in 1...Self.attempts {
      var record = TreeRecord(file: number)
      do throws(FileError) {
        let file = try open(path)
        let isSmall = file.status.size <= Self.smallFile && answer.offset == 0
        if attempt > 1 {
          record.start = 0
          if !isSmall {
            output.write(record)
            record.start = nil
          }
        }
        let read =
          isSmall
          ? try sendSmall(number, file, &record) : try sendLarge(number, file, announced, answer)
        var change: TreeRecord.Change?
        if !file.isOfNoSize(read.count) {
          change = try file.change(since: read, options.digest) { () throws(FileError) in
            try takeAnswers(waiting: false)
          }
        }
        record.change = change ?? (attempt > 1 ? .reread : nil)
        record.digest = read.digest
        if file.status != announced || read.count != announced.size {
          (record.size, record.mode) = (read.count, file.status.mode)
          record.mtimeNS = file.status.modifiedNS
        }
        ledger.didMove(
          number, bytes: moved, digest: read.digest, size: read.count, change: record.change)
        if isSmall, attempt == 1, record.mtimeNS == nil, record.change == nil {
          output.tellWhole(number, digest: read.digest)
        } else {
          output.write(record)
        }
        meter?.update { $0.files += 1 }
        return
      } catch {
        // The stream itself is over, or this file is.
        if error.code == .canceled || error.code == .lost { throw error }
        guard error.code == .changed, attempt < Self.attempts, ledger.isOpen(number) else {
          return try fail(number, path, error, sent: record.data)
        }
        if record.data != nil { output.write(record) }
        meter?.update { $0.takeBack() }
        answer.offset = 0
      }
    }
  }

  // MARK: Failures

  /// Tells the receiver that an entry can't be sent; `sent` bytes of it come all the same.
  mutating func fail(
    _ number: Int?, _ path: RelativePath, _ error: FileError, sent: Int64? = nil
  ) throws(FileError) {
    if let number {
      // What the receiver has failed was noted then.
      if ledger.isOpen(number) {
        unsendable.insert(number)
        note("\(path)", error.message)
      }
      meter?.update { $0.files += 1 }
    } else {
      ledger.addUnsent()
      note("\(path)", error.message)
    }
    var record = TreeRecord(file: number ?? -1)
    record.data = sent
    record.failed = error.message
    record.path = PathText(wirePath(of: path))
    output.write(record)
  }

  mutating func note(_ path: String, _ message: String) {
    failureList.add(path, message)
  }
}

extension SourceFile {
  /// Bytes that are read between two looks whether the stream is over.
  private static let piece: Int64 = 4 << 20

  /// Whether a file of which `count` bytes with this digest were read is still what it was when it was
  /// opened. One that has only grown since is: those bytes are its beginning, and are there a second time.
  /// `betweenPieces` is called while they are read again.
  ///
  /// - Returns: whether it has grown.
  /// - Throws: `.changed` if what was read is not there any more; what `betweenPieces` throws.
  func change(
    since read: (count: Int64, digest: String), _ algorithm: DigestAlgorithm,
    betweenPieces: () throws(FileError) -> Void
  ) throws(FileError) -> TreeRecord.Change? {
    guard let now = try statusIfChanged() else { return nil }
    guard now.size >= read.count else { throw changed() }
    var hasher = FileHasher(algorithm)
    var position: Int64 = 0
    while position < read.count {
      let end = min(read.count, position + Self.piece)
      let isWhole = try hasher.update(position..<end) { (buffer, offset) throws(FileError) in
        try self.read(into: buffer, at: offset)
      }
      guard isWhole else { throw changed() }
      position = end
      try betweenPieces()
    }
    guard hasher.digest == read.digest else { throw changed() }
    // Otherwise something else of it has changed, such as its mode.
    return now.size > read.count ? .grew : nil
  }
}
