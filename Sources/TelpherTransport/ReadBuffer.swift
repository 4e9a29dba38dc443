/// Where one loop reads into: it hands out memory for a read, and gives the filled part on as a
/// chunk. In the steady state, where each chunk has been written on before the next read, the same
/// memory serves every read and nothing is allocated.
///
/// Owned by one loop and used only on its thread.
public struct ReadBuffer {
  /// The read size while little memory is in use: large enough for a bulk stream (see
  /// docs/architecture.md, "Figures").
  public static let largeRead = 256 * 1024
  /// The read size once `busyBytes` are held by chunks that someone keeps.
  public static let mediumRead = 64 * 1024
  /// The read size once `crowdedBytes` are held.
  public static let smallRead = 16 * 1024
  /// Bytes in use past which reads shrink to `mediumRead`.
  public static let busyBytes = 8 << 20
  /// Bytes in use past which reads shrink to `smallRead`.
  public static let crowdedBytes = 24 << 20

  private var storage: ChunkStorage
  private var used = 0

  /// A buffer with its first memory.
  public init() {
    storage = ChunkStorage(capacity: Self.largeRead)
  }

  /// Memory for the next read of at most `limit` bytes (at least one). Each call takes back what
  /// the last one handed out, unless `didFill` gave it away.
  public mutating func prepare(limit: Int) -> UnsafeMutableRawBufferPointer {
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

  /// The first `count` bytes of what `prepare` handed out last, as a chunk.
  public mutating func didFill(_ count: Int) -> Chunk {
    let chunk = Chunk(storage: storage, range: used..<(used + count))
    used += count
    return chunk
  }

  /// The size of a read at present: it falls as more memory is in use. Files are read in the same
  /// measure.
  public static var readSize: Int {
    let inUse = ChunkStorage.bytesInUse
    return inUse < busyBytes ? largeRead : inUse < crowdedBytes ? mediumRead : smallRead
  }
}
