internal import TelpherTransport
internal import TelpherFileStore
internal import TelpherWire

/// Sends one file of a tree that the receiver wants. Reads it again if it changes while it is read.
struct FileTransmission {
  /// The maximum number of attempts to read a file that changes while it is read. A file that is
  /// written once or twice at a bad moment then succeeds; one that is written all the time fails.
  private static let attempts = 3
  /// The maximum size in bytes of a small file. Small files are read at once and share full frames.
  static let smallFile: Int64 = 64 * 1024
  /// The bytes of a large file that one record announces. If the file turns out to be shorter, the
  /// rest of the piece is sent as zeros.
  private static let piece: Int64 = 4 << 20

  /// What an attempt has read.
  private typealias Content = (count: Int64, digest: String)

  private let number: Int
  private let source: SourcePath
  private let announced: FileStatus
  private let algorithm: DigestAlgorithm
  private let meter: TransferMeter?
  /// The beginning of the file that the receiver has already.
  private var prefix: FilePrefix?
  /// The bytes that were sent.
  private var moved: Int64 = 0
  /// What the record of a small file contains, as far as it is known.
  private var part: FilePart

  /// A file that was announced as `number` with the status `announced`.
  init(
    _ number: Int, _ source: SourcePath, announced: FileStatus, after prefix: FilePrefix?,
    _ options: TransferOptions, _ meter: TransferMeter?
  ) {
    self.number = number
    self.source = source
    self.announced = announced
    self.prefix = prefix
    self.meter = meter
    algorithm = options.digest
    part = FilePart(number)
  }

  /// Sends the file.
  ///
  /// - Throws: `FileError` if the stream is over. A failure of only this file is reported instead.
  mutating func run(
    from walk: SourceWalk, on stream: inout SenderStream
  ) throws(FileError) {
    for attempt in 1...Self.attempts {
      part = FilePart(number)
      do throws(FileError) {
        try send(attempt, from: walk, on: &stream)
        meter?.update { $0.files += 1 }
        return
      } catch {
        // Only these errors concern the whole stream.
        if error.code == .canceled || error.code == .lost { throw error }
        guard error.code == .changed, attempt < Self.attempts, stream.state.isOpen(number) else {
          let path = source.path
          stream.fail(
            number, path, as: walk.failurePath(of: path, number), error, sent: part.data)
          meter?.update { $0.files += 1 }
          return
        }
        if part.data != nil { stream.write(.file(part)) }
        meter?.update { $0.restartFile() }
        prefix = nil
      }
    }
  }

  private mutating func send(
    _ attempt: Int, from walk: SourceWalk, on stream: inout SenderStream
  ) throws(FileError) {
    let file = try walk.open(source)
    let isSmall = file.status.size <= Self.smallFile && prefix?.length ?? 0 == 0
    if attempt > 1 {
      part.start = 0
      if !isSmall {
        stream.write(.file(part))
        part.start = nil
      }
    }
    let read = isSmall ? try sendSmall(file, on: &stream) : try sendLarge(file, on: &stream)
    var change: FileChange?
    if !file.isOfNoSize(read.count) {
      change = try file.change(since: read, algorithm) { () throws(FileError) in
        try stream.receiveAnswers()
      }
    }
    var completion = FileCompletion(digest: read.digest)
    completion.change = change ?? (attempt > 1 ? .reread : nil)
    if file.status != announced || read.count != announced.size {
      (completion.size, completion.mode) = (read.count, file.status.mode)
      completion.mtimeNS = file.status.modifiedNS
    }
    stream.state.didSend(
      number, bytes: moved, digest: read.digest, size: read.count, change: completion.change)
    if isSmall, attempt == 1, completion.mtimeNS == nil, completion.change == nil {
      stream.completeFile(number, digest: read.digest)
    } else {
      part.end = .complete(completion)
      stream.write(.file(part))
    }
  }

  // MARK: Small files

  /// Reads a small file into the current frame, and sets the length of its data in `part`. A file
  /// with size 0 is read and sent until its end.
  private mutating func sendSmall(
    _ file: SourceFile, on stream: inout SenderStream
  ) throws(FileError) -> Content {
    let size = Int(file.status.size)
    guard size > 0 else { return try sendUnsized(file, on: &stream) }
    var hasher = FileHasher(algorithm)
    let count = try stream.append(upTo: size) { (memory) throws(FileError) in
      let count = try file.read(filling: memory, at: 0)
      // Files of sysfs(5) are shorter than their size without having changed.
      if count < size, try file.statusIfChanged() != nil { throw file.changed() }
      hasher.update(UnsafeRawBufferPointer(rebasing: memory[..<count]))
      return count
    }
    part.data = Int64(count)
    didSend(Int64(count))
    return (Int64(count), hasher.digest)
  }

  /// Sends a file until its end, since files of proc(5) have a size of 0.
  private mutating func sendUnsized(
    _ file: SourceFile, on stream: inout SenderStream
  ) throws(FileError) -> Content {
    var hasher = FileHasher(algorithm)
    var position: Int64 = 0
    while stream.state.isOpen(number) {
      let buffer = ChunkStorage(capacity: ReadBuffer.readSize)
      let memory = UnsafeMutableRawBufferPointer(start: buffer.memory, count: buffer.capacity)
      let count = try file.read(filling: memory, at: position)
      guard count > 0 else { return (position, hasher.digest) }
      hasher.update(UnsafeRawBufferPointer(rebasing: memory[..<count]))
      stream.write(.file(FilePart(number, start: part.start, data: Int64(count))))
      part.start = nil
      position += Int64(count)
      didSend(Int64(count))
      try stream.send(Chunk(storage: buffer, range: 0..<count))
      try stream.receiveAnswers()
    }
    throw Self.notStored
  }

  // MARK: Large files

  /// Sends a file in pieces with a record for each. Holes are sent as records without data.
  private mutating func sendLarge(
    _ file: SourceFile, on stream: inout SenderStream
  ) throws(FileError) -> Content {
    var hasher = FileHasher(algorithm)
    var position: Int64 = 0
    if let prefix, prefix.length > 0 {
      position = try start(file, after: prefix, &hasher)
      stream.write(.file(FilePart(number, start: position)))
    }
    let size = file.status.size
    // A receiver rejects a hole beyond the announced size, so a file that has grown is sent as
    // data.
    let isSparse = file.status.allocated < size && size <= announced.size
    while position < size, stream.state.isOpen(number) {
      let data = isSparse ? try file.data(from: position) : position..<size
      let begin = min(data?.lowerBound ?? size, size)
      if begin > position {
        let hole = begin - position
        stream.write(.file(FilePart(number, hole: hole)))
        hasher.update(zeros: hole)
        meter?.update { $0.pass(hole) }
        position = begin
      }
      let end = min(data?.upperBound ?? size, size, position + Self.piece)
      guard end > position else { continue }
      stream.write(.file(FilePart(number, data: end - position)))
      try sendPiece(file, position..<end, &hasher, on: &stream)
      position = end
      try stream.receiveAnswers()
    }
    guard stream.state.isOpen(number) else { throw Self.notStored }
    return (size, hasher.digest)
  }

  /// The offset to begin at: after the receiver's bytes if they are the beginning of this file,
  /// else 0.
  private func start(
    _ file: SourceFile, after prefix: FilePrefix, _ hasher: inout FileHasher
  ) throws(FileError) -> Int64 {
    guard prefix.length <= file.status.size else { return 0 }
    try hasher.update(file, 0..<prefix.length)
    guard hasher.digest == prefix.digest else {
      hasher = FileHasher(algorithm)
      return 0
    }
    meter?.update { $0.pass(prefix.length) }
    return prefix.length
  }

  /// Sends the bytes `range`, which a record has announced. If the file can't be read that far,
  /// sends zeros for the rest and then throws the error.
  private mutating func sendPiece(
    _ file: SourceFile, _ range: Range<Int64>, _ hasher: inout FileHasher,
    on stream: inout SenderStream
  ) throws(FileError) {
    var position = range.lowerBound
    var fault: FileError?
    while position < range.upperBound {
      let buffer = ChunkStorage(capacity: ReadBuffer.readSize)
      let wanted = Int(min(Int64(buffer.capacity), range.upperBound - position))
      let memory = UnsafeMutableRawBufferPointer(start: buffer.memory, count: wanted)
      var count = 0
      if fault == nil {
        do throws(FileError) {
          count = try file.read(into: memory, at: position)
          if count == 0 { fault = file.changed() }
        } catch {
          fault = error
        }
      }
      if fault != nil {
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        count = wanted
      }
      hasher.update(UnsafeRawBufferPointer(start: buffer.memory, count: count))
      try stream.send(Chunk(storage: buffer, range: 0..<count))
      position += Int64(count)
      didSend(Int64(count))
    }
    if let fault { throw fault }
  }

  private mutating func didSend(_ count: Int64) {
    moved += count
    meter?.update { $0.move(count) }
  }

  /// The receiver has reported this file as failed, so the rest of it is not sent.
  private static let notStored = FileError(.remote, "the receiver could not store it")
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
  ) throws(FileError) -> FileChange? {
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
