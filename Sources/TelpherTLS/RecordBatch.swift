internal import TelpherTransport

/// Gathers encrypted records, so that the lower stream gets many in one write. A system call for each
/// record takes longer than copying it here (docs/BENCHMARKS.md).
///
/// The same memory serves every batch, unless the lower stream has queued the last one. Use it only
/// on one loop's thread.
struct RecordBatch {
  /// The most records of the full length in a batch. A peer that does not read costs a batch.
  static let records = 8
  /// The most bytes of a record: 5 for the header, a type, and a tag of 16 (RFC 8446, 5.2).
  private static let recordLength = TLSMemory.recordLength + 22
  /// The memory for a batch: also for a change of the key, a record of less than 100 bytes, which may
  /// precede any record. Short records count only once they are as long as a full one.
  private static let capacity = (records + 1) * (recordLength + 100)

  private var storage: ChunkStorage?
  private var start = 0
  private var end = 0

  /// How many more records of the full length the batch may have.
  var room: Int { Self.records - (end - start) / TLSMemory.recordLength }

  /// Adds a record.
  mutating func add(_ record: UnsafeRawBufferPointer) {
    if start == end { prepare() }
    guard let storage, storage.capacity - end >= record.count else {
      preconditionFailure("the caller stops when there is no more room")
    }
    UnsafeMutableRawBufferPointer(start: storage.memory + end, count: record.count)
      .copyMemory(from: record)
    end += record.count
  }

  /// Removes and returns the records; nil if there are none.
  mutating func take() -> Chunk? {
    guard let storage, start < end else { return nil }
    let chunk = Chunk(storage: storage, range: start..<end)
    start = end
    return chunk
  }

  /// Provides memory for a batch: the last one's if nothing uses that any more, else the rest of it if
  /// that is long enough, else new memory.
  private mutating func prepare() {
    if isKnownUniquelyReferenced(&storage) {
      (start, end) = (0, 0)
    } else if storage.map({ $0.capacity - end < Self.capacity }) ?? true {
      storage = ChunkStorage(capacity: ReadBuffer.largeRead)
      (start, end) = (0, 0)
    }
  }
}
