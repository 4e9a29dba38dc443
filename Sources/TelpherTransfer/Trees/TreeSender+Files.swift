internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

extension TreeSender {
  /// The maximum number of attempts to read a file that changes while it is read. A file that is
  /// written once or twice at a bad moment then succeeds; one that is written all the time fails.
  static let attempts = 3

  /// Sends a file that the receiver wants. Reads it again if it changes while it is read.
  ///
  /// - Throws: `FileError` if the stream is over. A failure of only this file is reported instead.
  mutating func send(
    _ number: Int, _ path: SourcePath, _ announced: FileStatus, _ prefix: FilePrefix?
  ) throws(FileError) {
    moved = 0
    var prefix = prefix
    for attempt in 1...Self.attempts {
      var part = FilePart(number)
      do throws(FileError) {
        let file = try open(path)
        let isSmall = file.status.size <= Self.smallFile && prefix?.length ?? 0 == 0
        if attempt > 1 {
          part.start = 0
          if !isSmall {
            output.write(.file(part))
            part.start = nil
          }
        }
        let read =
          isSmall
          ? try sendSmall(number, file, &part) : try sendLarge(number, file, announced, prefix)
        var change: TreeRecord.Change?
        if !file.isOfNoSize(read.count) {
          change = try file.change(since: read, options.digest) { () throws(FileError) in
            try takeAnswers(waiting: false)
          }
        }
        var completion = FileCompletion(digest: read.digest)
        completion.change = change ?? (attempt > 1 ? .reread : nil)
        if file.status != announced || read.count != announced.size {
          (completion.size, completion.mode) = (read.count, file.status.mode)
          completion.mtimeNS = file.status.modifiedNS
        }
        ledger.didMove(
          number, bytes: moved, digest: read.digest, size: read.count, change: completion.change)
        if isSmall, attempt == 1, completion.mtimeNS == nil, completion.change == nil {
          output.completeFile(number, digest: read.digest)
        } else {
          part.end = .complete(completion)
          output.write(.file(part))
        }
        meter?.update { $0.files += 1 }
        return
      } catch {
        // Only these errors concern the whole stream.
        if error.code == .canceled || error.code == .lost { throw error }
        guard error.code == .changed, attempt < Self.attempts, ledger.isOpen(number) else {
          return try fail(number, path.path, error, sent: part.data)
        }
        if part.data != nil { output.write(.file(part)) }
        meter?.update { $0.restartFile() }
        prefix = nil
      }
    }
  }

  // MARK: Failures

  /// Reports to the receiver that an entry can't be sent. `number` is nil if it was not announced.
  /// `sent` bytes of it are already queued, and the record announces them.
  mutating func fail(
    _ number: Int?, _ path: RelativePath, _ error: FileError, sent: Int64? = nil
  ) throws(FileError) {
    if let number {
      // If the receiver reported a failure of this entry, it is already noted.
      if ledger.isOpen(number) {
        unsendable.insert(number)
        note("\(path)", error.message)
      }
      meter?.update { $0.files += 1 }
    } else {
      ledger.addUnsent()
      note("\(path)", error.message)
    }
    let source = source(of: number)
    // A receiver that named several sources knows one that can't be sent by its path.
    let isSource = number == nil && path == source.path
    let named = PathText(isSource ? path.written : source.wirePath(of: path))
    let end = FilePart.End.failed(error.message, path: named)
    output.write(.file(FilePart(number ?? -1, data: sent, end: end)))
  }

  mutating func note(_ path: String, _ message: String) {
    failureList.add(path, message)
  }
}

extension SourceFile {
  /// The bytes that are read between two calls of `betweenPieces`.
  private static let piece: Int64 = 4 << 20

  /// Checks that the bytes that were read from the file, `count` bytes with this digest, are still
  /// its beginning. If the size or a time has changed since opening, reads those bytes again and
  /// compares the digest; `betweenPieces` is called meanwhile, after every 4 MiB.
  ///
  /// - Returns: `.grew` if the file has only become longer; nil if its contents have not changed.
  /// - Throws: `.changed` if the bytes have changed; what `betweenPieces` throws.
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
    // With the same length, only attributes have changed, such as the mode.
    return now.size > read.count ? .grew : nil
  }
}
