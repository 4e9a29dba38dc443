internal import TelpherTransport
internal import TelpherWire

extension TreeSender {
  mutating func send(
    _ number: Int, _ path: RelativePath, _ announced: FileStatus, _ answer: Answer
  ) throws(FileError) {
    let file: SourceFile
    do throws(FileError) {
      file = try open(path)
    } catch {
      return try fail(number, path, error)
    }
    var record = TreeRecord(file: number)
    moved = 0
    do throws(FileError) {
      let isSmall = file.status.size <= Self.smallFile && answer.offset == 0
      if isSmall {
        record.digest = try sendSmall(file, &record)
      } else {
        record.digest = try sendLarge(number, file, answer)
      }
      try file.checkUnchanged()
      if file.status != announced {
        (record.size, record.mode) = (file.status.size, file.status.mode)
        record.mtimeNS = file.status.modifiedNS
      }
      if let digest = record.digest {
        ledger.didMove(number, bytes: moved, digest: digest)
      }
      if isSmall, record.mtimeNS == nil, let digest = record.digest {
        output.tellWhole(number, digest: digest)
      } else {
        output.write(record)
      }
      meter?.update { $0.files += 1 }
    } catch {
      // The stream itself is over, or this file is.
      if error.code == .canceled || error.code == .lost { throw error }
      try fail(number, path, error, sent: record.data)
    }
  }

  /// Reads a small file into the frame that is being filled; its record says that its bytes came.
  private mutating func sendSmall(_ file: SourceFile, _ record: inout TreeRecord) throws(FileError)
    -> String
  {
    let size = Int(file.status.size)
    var hasher = FileHasher(options.digest)
    if size > 0 {
      try output.append(size) { (memory) throws(FileError) in
        var count = 0
        while count < size {
          let more = try file.read(
            into: UnsafeMutableRawBufferPointer(rebasing: memory[count...]), at: Int64(count))
          guard more > 0 else {
            try file.checkUnchanged()
            throw FileError(.changed, "it became shorter while it was read")
          }
          count += more
        }
        hasher.update(UnsafeRawBufferPointer(memory))
      }
      record.data = Int64(size)
      didSend(Int64(size))
    }
    return hasher.digest
  }

  private mutating func sendLarge(_ number: Int, _ file: SourceFile, _ answer: Answer)
    throws(FileError) -> String
  {
    var hasher = FileHasher(options.digest)
    var position: Int64 = 0
    if answer.offset > 0 {
      position = try start(file, answer, &hasher)
      var record = TreeRecord(file: number)
      record.start = position
      output.write(record)
    }
    let size = file.status.size
    let isSparse = file.status.allocated < size
    while position < size, ledger.isOpen(number) {
      let data = isSparse ? try file.data(from: position) : position..<size
      let begin = min(data?.lowerBound ?? size, size)
      if begin > position {
        var record = TreeRecord(file: number)
        record.hole = begin - position
        output.write(record)
        hasher.update(zeros: begin - position)
        meter?.update { [position] in $0.pass(begin - position) }
        position = begin
      }
      let end = min(data?.upperBound ?? size, size, position + Self.piece)
      guard end > position else { continue }
      var record = TreeRecord(file: number)
      record.data = end - position
      output.write(record)
      try sendPiece(file, position..<end, &hasher)
      position = end
      try takeAnswers(waiting: false)
    }
    guard ledger.isOpen(number) else {
      throw FileError(.remote, "the receiver could not store it")
    }
    return hasher.digest
  }

  /// Where to begin: behind what the receiver has, if that is this file's beginning.
  private mutating func start(
    _ file: SourceFile, _ answer: Answer, _ hasher: inout FileHasher
  ) throws(FileError) -> Int64 {
    guard answer.offset <= file.status.size else { return 0 }
    try hasher.update(file, 0..<answer.offset)
    guard hasher.digest == answer.prefixDigest else {
      hasher = FileHasher(options.digest)
      return 0
    }
    meter?.update { $0.pass(answer.offset) }
    return answer.offset
  }

  /// Sends bytes that were promised; what the file turns out not to have is made up with zeros.
  private mutating func sendPiece(
    _ file: SourceFile, _ range: Range<Int64>, _ hasher: inout FileHasher
  ) throws(FileError) {
    output.flush()
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
          if count == 0 { fault = FileError(.changed, "it became shorter while it was read") }
        } catch {
          fault = error
        }
      }
      if fault != nil {
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        count = wanted
      }
      hasher.update(UnsafeRawBufferPointer(start: buffer.memory, count: count))
      port.enqueue(Chunk(storage: buffer, range: 0..<count), on: .file)
      try waitForRoom()
      position += Int64(count)
      didSend(Int64(count))
    }
    if let fault { throw fault }
  }

  private mutating func didSend(_ count: Int64) {
    moved += count
    meter?.update { $0.move(count) }
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
