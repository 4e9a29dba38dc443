internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

extension TreeSender {
  /// Reads a small file into the current frame, and sets the length of its data in `part`. A file
  /// with size 0 is read and sent until its end.
  mutating func sendSmall(
    _ number: Int, _ file: SourceFile, _ part: inout FilePart
  ) throws(FileError) -> (count: Int64, digest: String) {
    let size = Int(file.status.size)
    var hasher = FileHasher(options.digest)
    guard size > 0 else { return try sendUnsized(number, file, &part) }
    let count = try output.append(upTo: size) { (memory) throws(FileError) in
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
    _ number: Int, _ file: SourceFile, _ part: inout FilePart
  ) throws(FileError) -> (count: Int64, digest: String) {
    var hasher = FileHasher(options.digest)
    var position: Int64 = 0
    while ledger.isOpen(number) {
      let buffer = ChunkStorage(capacity: ReadBuffer.readSize)
      let memory = UnsafeMutableRawBufferPointer(start: buffer.memory, count: buffer.capacity)
      let count = try file.read(filling: memory, at: position)
      guard count > 0 else { return (position, hasher.digest) }
      hasher.update(UnsafeRawBufferPointer(rebasing: memory[..<count]))
      output.write(.file(FilePart(number, start: part.start, data: Int64(count))))
      part.start = nil
      output.flush()
      port.enqueue(Chunk(storage: buffer, range: 0..<count), on: .file)
      position += Int64(count)
      didSend(Int64(count))
      try waitForRoom()
      try takeAnswers(waiting: false)
    }
    throw FileError(.remote, "the receiver could not store it")
  }

  /// Sends a file in pieces with a record for each. Holes are sent as records without data.
  mutating func sendLarge(
    _ number: Int, _ file: SourceFile, _ announced: FileStatus, _ prefix: FilePrefix?
  ) throws(FileError) -> (count: Int64, digest: String) {
    var hasher = FileHasher(options.digest)
    var position: Int64 = 0
    if let prefix, prefix.length > 0 {
      position = try start(file, prefix, &hasher)
      output.write(.file(FilePart(number, start: position)))
    }
    let size = file.status.size
    // A receiver rejects a hole beyond the announced size, so a file that has grown is sent as
    // data.
    let isSparse = file.status.allocated < size && size <= announced.size
    while position < size, ledger.isOpen(number) {
      let data = isSparse ? try file.data(from: position) : position..<size
      let begin = min(data?.lowerBound ?? size, size)
      if begin > position {
        output.write(.file(FilePart(number, hole: begin - position)))
        hasher.update(zeros: begin - position)
        meter?.update { [position] in $0.pass(begin - position) }
        position = begin
      }
      let end = min(data?.upperBound ?? size, size, position + Self.piece)
      guard end > position else { continue }
      output.write(.file(FilePart(number, data: end - position)))
      try sendPiece(file, position..<end, &hasher)
      position = end
      try takeAnswers(waiting: false)
    }
    guard ledger.isOpen(number) else {
      throw FileError(.remote, "the receiver could not store it")
    }
    return (size, hasher.digest)
  }

  /// The offset to begin at: after the receiver's bytes if they are the beginning of this file,
  /// else 0.
  private mutating func start(
    _ file: SourceFile, _ prefix: FilePrefix, _ hasher: inout FileHasher
  ) throws(FileError) -> Int64 {
    guard prefix.length <= file.status.size else { return 0 }
    try hasher.update(file, 0..<prefix.length)
    guard hasher.digest == prefix.digest else {
      hasher = FileHasher(options.digest)
      return 0
    }
    meter?.update { $0.pass(prefix.length) }
    return prefix.length
  }

  /// Sends the bytes `range`, which a record has announced. If the file can't be read that far,
  /// sends zeros for the rest and then throws the error.
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
