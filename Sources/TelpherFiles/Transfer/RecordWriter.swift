internal import TelpherTransport
internal import TelpherWire

/// Gathers records into full frames of channel 5, and the bytes of small files into full frames of
/// channel 4.
///
/// The two are flushed together, and never waited for apart: a receiver that has a record waits for
/// its bytes, and one that has bytes for their record.
struct RecordWriter {
  /// Bytes of records that are gathered before they go.
  private static let linesPerFrame = 32 * 1024

  let port: TransferPort
  private var lines: [UInt8] = []
  private var buffer: ChunkStorage?
  private var filled = 0
  /// Files that are whole and were not told of yet.
  private var run: (first: Int, digests: [String])?

  /// Files that one record tells of.
  private static let longestRun = 64

  init(port: TransferPort) { self.port = port }

  /// Writes a record.
  ///
  /// - Throws: `FileError` once the stream is over.
  mutating func write(_ record: TreeRecord) throws(FileError) {
    // What is announced may go before what is told of files that were announced earlier.
    if record.entry == nil { endRun() }
    lines += record.encoded()
    if lines.count >= Self.linesPerFrame { try flush() }
  }

  /// Tells that the file `number`, whose bytes were appended, is whole and as announced.
  ///
  /// - Throws: `FileError` once the stream is over.
  mutating func tellWhole(_ number: Int, digest: String) throws(FileError) {
    if let told = run, told.first + told.digests.count == number,
      told.digests.count < Self.longestRun
    {
      run?.digests.append(digest)
    } else {
      endRun()
      run = (number, [digest])
    }
    if lines.count >= Self.linesPerFrame { try flush() }
  }

  private mutating func endRun() {
    guard let told = run else { return }
    run = nil
    var record = TreeRecord(file: told.first)
    record.whole = told.digests
    lines += record.encoded()
  }

  /// Appends `count` bytes, at most a buffer's, which `fill` writes. Where it throws, there are none.
  mutating func append(
    _ count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) {
    if let buffer, filled + count > buffer.capacity { try flush() }
    let memory = buffer ?? ChunkStorage(capacity: max(count, ReadBuffer.readSize))
    buffer = memory
    try fill(UnsafeMutableRawBufferPointer(start: memory.memory + filled, count: count))
    filled += count
  }

  /// Sends what was gathered, and waits for room.
  ///
  /// - Throws: `FileError` once the stream is over.
  mutating func flush() throws(FileError) {
    endRun()
    if !lines.isEmpty {
      port.enqueue(Chunk(lines), on: .index)
      lines.removeAll(keepingCapacity: true)
    }
    if let memory = buffer, filled > 0 {
      port.enqueue(Chunk(storage: memory, range: 0..<filled), on: .file)
      (buffer, filled) = (nil, 0)
    }
    try port.waitForRoom()
  }
}
