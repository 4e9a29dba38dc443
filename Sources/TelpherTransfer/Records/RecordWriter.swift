internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

/// Collects records into full frames of channel 5, and the bytes of small files into full frames of
/// channel 4.
///
/// It flushes both channels together, because the receiver needs a record and its bytes at the same
/// time. Its methods do not wait; the caller waits for room after each step. A step queues one or
/// two frames at most.
struct RecordWriter {
  /// The bytes of records that are collected into one frame.
  private static let linesPerFrame = 32 * 1024

  let port: TransferPort
  private var lines: [UInt8] = []
  /// Announced files that are not yet written as a record, and an upper bound of the bytes that
  /// their names and numbers take.
  private var batch: (files: FileBatch, length: Int)?
  private var buffer: ChunkStorage?
  private var filled = 0
  /// Completely sent files with consecutive numbers that are not yet written as a record.
  private var run: (first: Int, digests: [String])?

  /// The maximum number of completed files in one record.
  private static let longestRun = 64
  /// The maximum bytes of names and numbers in a record that announces several files. With the
  /// folder's path it stays below the maximum length of a record.
  private static let longestBatch = 32 * 1024

  init(port: TransferPort) { self.port = port }

  /// Writes a record.
  mutating func write(_ record: TreeRecord) {
    endBatch()
    // An announcement may go before the completion of files that were announced earlier.
    if case .entry = record {} else { endRun() }
    lines += record.encoded()
    if lines.count >= Self.linesPerFrame { flush() }
  }

  /// Announces the file `name` in `folder`. Consecutive files of a folder share a record.
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
    lines += TreeRecord.files(ended.files).encoded()
  }

  /// Reports that the file `number`, whose bytes were appended, is complete and as announced.
  mutating func completeFile(_ number: Int, digest: String) {
    if let open = run, open.first + open.digests.count == number,
      open.digests.count < Self.longestRun
    {
      run?.digests.append(digest)
    } else {
      endRun()
      run = (number, [digest])
    }
    if lines.count >= Self.linesPerFrame { flush() }
  }

  private mutating func endRun() {
    guard let ended = run else { return }
    run = nil
    lines += TreeRecord.whole(first: ended.first, digests: ended.digests).encoded()
  }

  /// Appends the bytes that `fill` writes to the memory that it gets: `most` bytes. If `fill`
  /// throws, nothing is appended.
  ///
  /// - Returns: the number of bytes that `fill` wrote.
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

  /// Queues the collected records and bytes for sending.
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
