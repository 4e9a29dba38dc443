internal import TelpherTransport
internal import TelpherWire

/// Gathers records into full frames of channel 5, and the bytes of small files into full frames of
/// channel 4.
///
/// The two are flushed together: a receiver that has a record waits for its bytes, and one that has
/// bytes for their record. Nothing waits here: who writes waits for room after each step, which
/// queues a frame or two at most.
struct RecordWriter {
  /// Bytes of records that are gathered before they go.
  private static let linesPerFrame = 32 * 1024

  let port: TransferPort
  private var lines: [UInt8] = []
  /// Files that were announced and did not go yet, and the most bytes that their names and numbers
  /// take.
  private var batch: (files: FileBatch, length: Int)?
  private var buffer: ChunkStorage?
  private var filled = 0
  /// Files that are whole and were not told of yet.
  private var run: (first: Int, digests: [String])?

  /// Files that one record tells of.
  private static let longestRun = 64
  /// Bytes of the names and numbers in a record that announces several files: with its folder's path
  /// it stays below what a record may have.
  private static let longestBatch = 32 * 1024

  init(port: TransferPort) { self.port = port }

  /// Writes a record.
  mutating func write(_ record: TreeRecord) {
    endBatch()
    // What is announced may go before what is told of files that were announced earlier.
    if record.entry == nil { endRun() }
    lines += record.encoded()
    if lines.count >= Self.linesPerFrame { flush() }
  }

  /// Announces the file `name` of `folder`, which is a record together with its neighbours.
  mutating func announce(_ name: String, in folder: [UInt8], _ status: FileStatus) {
    let length = FileBatch.length(of: name)
    if let batch,
      batch.files.folder.bytes != folder || batch.files.mode != status.mode
        || batch.length + length > Self.longestBatch
        || batch.files.names.count == FileBatch.maxFiles
    {
      endBatch()
      if lines.count >= Self.linesPerFrame { flush() }
    }
    if batch == nil {
      batch = (FileBatch(folder: PathText(folder), mode: status.mode), 0)
    }
    batch?.files.append(name, size: status.size, mtimeNS: status.modifiedNS)
    batch?.length += length
  }

  private mutating func endBatch() {
    guard let ended = batch else { return }
    batch = nil
    var record = TreeRecord()
    record.files = ended.files
    lines += record.encoded()
  }

  /// Tells that the file `number`, whose bytes were appended, is whole and as announced.
  mutating func tellWhole(_ number: Int, digest: String) {
    if let told = run, told.first + told.digests.count == number,
      told.digests.count < Self.longestRun
    {
      run?.digests.append(digest)
    } else {
      endRun()
      run = (number, [digest])
    }
    if lines.count >= Self.linesPerFrame { flush() }
  }

  private mutating func endRun() {
    guard let told = run else { return }
    run = nil
    var record = TreeRecord(file: told.first)
    record.whole = told.digests
    lines += record.encoded()
  }

  /// Appends at most `most` bytes, at most a buffer's: those that `fill` writes. If it throws, there are
  /// none.
  ///
  /// - Returns: how many `fill` says that it wrote.
  mutating func append(
    upTo most: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(FileError) -> Int
  ) throws(FileError) -> Int {
    if let buffer, filled + most > buffer.capacity { flush() }
    let memory = buffer ?? ChunkStorage(capacity: max(most, ReadBuffer.readSize))
    buffer = memory
    let count = try fill(UnsafeMutableRawBufferPointer(start: memory.memory + filled, count: most))
    filled += count
    return count
  }

  /// Queues what was gathered.
  mutating func flush() {
    endBatch()
    endRun()
    if !lines.isEmpty {
      port.enqueue(Chunk(lines), on: .index)
      lines.removeAll(keepingCapacity: true)
    }
    if let memory = buffer, filled > 0 {
      port.enqueue(Chunk(storage: memory, range: 0..<filled), on: .file)
      (buffer, filled) = (nil, 0)
    }
  }
}
