internal import NIOCore
internal import TelpherTransport

/// NIO's memory behind chunks: as long as a chunk is over it, so is this buffer, and whoever writes
/// such a chunk to a channel writes a slice of it.
///
/// `@unchecked Sendable`: `buffer` changes only while nobody else has a reference (see `ReadMemory`).
final class SharedBuffer: @unchecked Sendable {
  /// All of the memory.
  var buffer: ByteBuffer

  init(_ buffer: ByteBuffer) {
    self.buffer = buffer
  }
}

/// Where one loop reads into, as `ReadBuffer` has it: in the steady state, where each chunk has been
/// written on before the next read, the same memory serves every read and nothing is allocated.
///
/// NIO wants to be given a `ByteBuffer` for each read, and to be its only owner, or it would copy it.
/// So the buffer is lent to NIO and comes back with the bytes. A chunk then is over NIO's memory,
/// without a copy. Small reads are copied, into a `ReadBuffer`: they fit many to one memory there,
/// where each would otherwise keep all of a large buffer.
///
/// Owned by one loop and used only on its thread.
final class ReadMemory {
  /// Reads of at most so many bytes are copied.
  private static let copyLimit = 4 * 1024

  private var small = ReadBuffer()
  private var storage: ChunkStorage?
  /// The owner of `storage`.
  private var shared: SharedBuffer?
  /// Whether NIO has the buffer of `storage`.
  private var isLent = false

  /// A buffer with room for exactly as many bytes as the next read may bring: at most `limit`.
  func lend(limit: Int) -> ByteBuffer {
    let wanted = max(1, min(limit, ReadBuffer.readSize))
    var buffer = takeBack(capacity: wanted) ?? make(capacity: max(wanted, ReadBuffer.readSize))
    // NIO reads as much as there is room for, and room comes in powers of two: what is too much lies
    // before the reader.
    buffer.moveWriterIndex(to: buffer.capacity - wanted)
    buffer.moveReaderIndex(to: buffer.capacity - wanted)
    isLent = true
    return buffer
  }

  /// NIO was given another buffer, and will not return the one that it had before.
  func lendNothing() {
    isLent = false
  }

  /// The bytes of a buffer that NIO has filled: the one that was lent last, or any that is small.
  func chunk(of buffer: ByteBuffer) -> Chunk {
    defer { isLent = false }
    let count = buffer.readableBytes
    if count <= Self.copyLimit || !isLent {
      let chunk = copy(buffer, count)
      if isLent { giveBack(buffer) }
      return chunk
    }
    giveBack(buffer)
    guard let storage else { preconditionFailure("what is lent has a storage") }
    return Chunk(storage: storage, range: buffer.readerIndex..<buffer.writerIndex)
  }

  private func copy(_ buffer: ByteBuffer, _ count: Int) -> Chunk {
    let memory = small.prepare(limit: count)
    // The memory at hand may be shorter, as may be the reads of a busy server.
    guard memory.count >= count else { return buffer.withUnsafeReadableBytes(Chunk.init(copying:)) }
    buffer.withUnsafeReadableBytes { memory.copyMemory(from: $0) }
    return small.didFill(count)
  }

  private func giveBack(_ buffer: ByteBuffer) {
    shared?.buffer = buffer
  }

  /// The buffer of `storage`, where it came back, is large enough, and nobody else uses it.
  private func takeBack(capacity: Int) -> ByteBuffer? {
    guard let shared, isKnownUniquelyReferenced(&storage), shared.buffer.capacity >= capacity
    else { return nil }
    // A write that is not done has slices of it.
    guard shared.buffer.modifyIfUniquelyOwned({ $0.clear() }) != nil else { return nil }
    var buffer = ByteBuffer()
    swap(&buffer, &shared.buffer)
    return buffer
  }

  private func make(capacity: Int) -> ByteBuffer {
    let buffer = ByteBufferAllocator().buffer(capacity: capacity)
    // Valid for as long as the buffer is not made larger, and nobody does.
    let memory = buffer.withVeryUnsafeBytes { UnsafeMutableRawPointer(mutating: $0.baseAddress!) }
    let shared = SharedBuffer(ByteBuffer())
    storage = ChunkStorage(memory: memory, capacity: buffer.capacity, owner: shared)
    self.shared = shared
    return buffer
  }
}

/// What gives one channel its buffers.
///
/// `@unchecked Sendable`, which NIO asks for: used only on the loop's thread.
final class ReadSizing: RecvByteBufferAllocator, @unchecked Sendable {
  /// The size of the first buffer, which NIO's pool keeps for as long as the channel lives.
  private static let firstRead = 1024

  /// The most bytes that the next read may bring.
  var limit = Int.max
  private let memory: ReadMemory
  private var isFirst = true

  init(_ memory: ReadMemory) {
    self.memory = memory
  }

  func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
    guard isFirst else { return memory.lend(limit: max(1, limit)) }
    isFirst = false
    memory.lendNothing()
    var buffer = allocator.buffer(capacity: Self.firstRead)
    let unused = buffer.capacity - max(1, min(limit, buffer.capacity))
    buffer.moveWriterIndex(to: unused)
    buffer.moveReaderIndex(to: unused)
    return buffer
  }

  /// Asks for a new buffer each time: true means that the next may be larger, and NIO then does not
  /// take the one that it has kept.
  func record(actualReadBytes: Int) -> Bool { true }
}
