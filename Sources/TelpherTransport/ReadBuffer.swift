/// The memory into which a loop reads: it provides memory for a read and returns the filled part as
/// a chunk. If each chunk is written on before the next read, the same memory serves every read and
/// nothing is allocated.
///
/// One loop owns it and uses it only on its thread.
package struct ReadBuffer {
  /// The read size while little memory is in use: large enough for a bulk stream. Larger
  /// reads were no faster (docs/BENCHMARKS.md).
  package static let largeRead = 256 * 1024
  /// The read size once chunks hold `busyBytes`.
  package static let mediumRead = 64 * 1024
  /// The read size once chunks hold `crowdedBytes`.
  package static let smallRead = 16 * 1024
  /// Bytes in use past which reads shrink to `mediumRead`.
  package static let busyBytes = 8 << 20
  /// Bytes in use past which reads shrink to `smallRead`.
  package static let crowdedBytes = 24 << 20

  private var storage: ChunkStorage
  private var used = 0

  /// A buffer with its first memory.
  package init() {
    storage = ChunkStorage(capacity: Self.largeRead)
  }

  /// Returns memory for the next read of at most `limit` bytes (at least one). Each call reuses the
  /// memory of the last call, except what `didFill` has turned into chunks.
  package mutating func prepare(limit: Int) -> UnsafeMutableRawBufferPointer {
    let wanted = max(1, min(limit, Self.readSize))
    if isKnownUniquelyReferenced(&storage) {
      used = 0
      if storage.capacity < wanted { storage = ChunkStorage(capacity: Self.readSize) }
    } else if storage.capacity - used < min(wanted, Self.smallRead) {
      storage = ChunkStorage(capacity: Self.readSize)
      used = 0
    }
    let count = min(wanted, storage.capacity - used)
    return UnsafeMutableRawBufferPointer(start: storage.memory + used, count: count)
  }

  /// Returns the first `count` bytes of the memory from the last `prepare` as a chunk.
  package mutating func didFill(_ count: Int) -> Chunk {
    let chunk = Chunk(storage: storage, range: used..<(used + count))
    used += count
    return chunk
  }

  /// The current size of a read in bytes. It falls as more memory is in use. Files are read in
  /// pieces of this size too.
  package static var readSize: Int {
    let inUse = ChunkStorage.bytesInUse
    return inUse < busyBytes ? largeRead : inUse < crowdedBytes ? mediumRead : smallRead
  }
}
