internal import TelpherTransport

/// Memory for reads that is used again once what was read has been sent, so that the steady state
/// allocates nothing. Where much memory is in use, as by many peers that don't read, new buffers are
/// smaller. One worker's.
struct BufferPool {
  /// The bytes of one read, at most.
  static let maxSize = ReadBuffer.largeRead
  /// Buffers that are kept: those that a port queues, and one on either side of it.
  private static let kept = TransferPort.queuedReads + 2

  private var buffers: [ChunkStorage] = []

  /// Memory that nobody else uses, of at least `size` bytes.
  mutating func take(atLeast size: Int = 1) -> ChunkStorage {
    for index in buffers.indices where isKnownUniquelyReferenced(&buffers[index]) {
      if buffers[index].capacity >= size { return buffers[index] }
    }
    let fresh = ChunkStorage(capacity: max(size, ReadBuffer.readSize))
    if buffers.count < Self.kept { buffers.append(fresh) }
    return fresh
  }
}
