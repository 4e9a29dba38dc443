internal import NIOCore
internal import TelpherTransport

/// Owns the NIO buffer that chunks point into. It lives as long as any of these chunks. A chunk of
/// this memory is written to a channel as a slice of the buffer, without a copy.
///
/// `@unchecked Sendable`: `buffer` changes only while there is no other reference to it (see
/// `ReadMemory`).
final class SharedBuffer: @unchecked Sendable {
  /// The buffer.
  var buffer: ByteBuffer

  init(_ buffer: ByteBuffer) {
    self.buffer = buffer
  }
}

/// The memory that one loop reads into, like `ReadBuffer`. If each chunk is released before the
/// next read, all reads use the same memory and nothing is allocated.
///
/// NIO needs a `ByteBuffer` for each read and must be its only owner; otherwise it copies the
/// buffer. So the buffer is lent to NIO and comes back with the bytes. A chunk then points into
/// NIO's memory without a copy. Small reads are copied into a `ReadBuffer`, where many fit into one
/// piece of memory. Otherwise each small chunk would keep a whole large buffer.
///
/// Owned by one loop and used only on its thread.
final class ReadMemory {
  /// Reads of at most this many bytes are copied.
  private static let copyLimit = 4 * 1024

  private var small = ReadBuffer()
  private var storage: ChunkStorage?
  /// The owner of `storage`.
  private var shared: SharedBuffer?
  /// Whether the buffer of `storage` is lent to NIO.
  private var isLent = false

  /// Lends a buffer with room for exactly the bytes that the next read may bring, at most `limit`.
  func lend(limit: Int) -> ByteBuffer {
    let wanted = max(1, min(limit, ReadBuffer.readSize))
    var buffer = takeBack(capacity: wanted) ?? make(capacity: max(wanted, ReadBuffer.readSize))
    // NIO fills all the room of the buffer, and a buffer's capacity is a power of two. The surplus
    // is placed before the reader index.
    buffer.moveWriterIndex(to: buffer.capacity - wanted)
    buffer.moveReaderIndex(to: buffer.capacity - wanted)
    isLent = true
    return buffer
  }

  /// Notes that NIO was given another buffer, and that the lent one does not come back.
  func lendNothing() {
    isLent = false
  }

  /// Makes a chunk of the bytes in a buffer that NIO has filled: the buffer that was lent last, or
  /// any small one.
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
    // The prepared memory may be shorter than the read.
    guard memory.count >= count else { return buffer.withUnsafeReadableBytes(Chunk.init(copying:)) }
    buffer.withUnsafeReadableBytes { memory.copyMemory(from: $0) }
    return small.didFill(count)
  }

  private func giveBack(_ buffer: ByteBuffer) {
    shared?.buffer = buffer
  }

  /// Takes the buffer of `storage` for the next read. Nil unless it came back from NIO, is large
  /// enough, and has no other user.
  private func takeBack(capacity: Int) -> ByteBuffer? {
    guard let shared, isKnownUniquelyReferenced(&storage), shared.buffer.capacity >= capacity
    else { return nil }
    // An unfinished write has slices of the buffer.
    guard shared.buffer.modifyIfUniquelyOwned({ $0.clear() }) != nil else { return nil }
    var buffer = ByteBuffer()
    swap(&buffer, &shared.buffer)
    return buffer
  }

  private func make(capacity: Int) -> ByteBuffer {
    let buffer = ByteBufferAllocator().buffer(capacity: capacity)
    // The pointer is valid while the buffer is not made larger, which no code does.
    let memory = buffer.withVeryUnsafeBytes { UnsafeMutableRawPointer(mutating: $0.baseAddress!) }
    let shared = SharedBuffer(ByteBuffer())
    storage = ChunkStorage(memory: memory, capacity: buffer.capacity, owner: shared)
    self.shared = shared
    return buffer
  }
}

/// Provides the read buffers of one channel.
///
/// `@unchecked Sendable`, which NIO requires: used only on the loop's thread.
final class ReadSizing: RecvByteBufferAllocator, @unchecked Sendable {
  /// The size in bytes of the first buffer. NIO's pool keeps that buffer as long as the channel
  /// lives.
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

  /// Makes NIO ask for a new buffer each time. True means that the next buffer may be larger, so
  /// NIO does not reuse the one that it has kept.
  func record(actualReadBytes: Int) -> Bool { true }
}
