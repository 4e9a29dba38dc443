internal import TelpherTransport
internal import TelpherWire

extension TreeSender {
  /// Reads a small file into the frame that is being filled; its record says that its bytes came. What
  /// has no bytes by its size is read on to its end.
  mutating func sendSmall(
    _ number: Int, _ file: SourceFile, _ record: inout TreeRecord
  ) throws(FileError) -> (count: Int64, digest: String) {
    let size = Int(file.status.size)
    var hasher = FileHasher(options.digest)
    guard size > 0 else { return try sendUnsized(number, file, &record) }
    let count = try output.append(upTo: size) { (memory) throws(FileError) in
      let count = try file.read(filling: memory, at: 0)
      // Some files are shorter than they say and have not changed: those of sysfs(5).
      if count < size, try file.statusIfChanged() != nil { throw file.changed() }
      hasher.update(UnsafeRawBufferPointer(rebasing: memory[..<count]))
      return count
    }
    record.data = Int64(count)
    didSend(Int64(count))
    return (Int64(count), hasher.digest)
  }

  /// Sends a file of which only its end tells how long it is: those of proc(5) have a size of 0.
  private mutating func sendUnsized(
    _ number: Int, _ file: SourceFile, _ record: inout TreeRecord
  ) throws(FileError) -> (count: Int64, digest: String) {
    var hasher = FileHasher(options.digest)
    var position: Int64 = 0
    while ledger.isOpen(number) {
      let buffer = ChunkStorage(capacity: ReadBuffer.readSize)
      let memory = UnsafeMutableRawBufferPointer(start: buffer.memory, count: buffer.capacity)
      let count = try file.read(filling: memory, at: position)
      guard count > 0 else { return (position, hasher.digest) }
      hasher.update(UnsafeRawBufferPointer(rebasing: memory[..<count]))
      var piece = TreeRecord(file: number)
      (piece.start, record.start) = (record.start, nil)
      piece.data = Int64(count)
      output.write(piece)
      output.flush()
      port.enqueue(Chunk(storage: buffer, range: 0..<count), on: .file)
      position += Int64(count)
      didSend(Int64(count))
      try waitForRoom()
      try takeAnswers(waiting: false)
    }
    throw FileError(.remote, "the receiver could not store it")
  }

  mutating func sendLarge(
    _ number: Int, _ file: SourceFile, _ announced: FileStatus, _ answer: Answer
  ) throws(FileError) -> (count: Int64, digest: String) {
    var hasher = FileHasher(options.digest)
    var position: Int64 = 0
    if answer.offset > 0 {
      position = try start(file, answer, &hasher)
      var record = TreeRecord(file: number)
      record.start = position
      output.write(record)
    }
    let size = file.status.size
    // A receiver takes no hole past the announced size: a file that has grown is sent as data.
    let isSparse = file.status.allocated < size && size <= announced.size
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
    return (size, hasher.digest)
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
}
