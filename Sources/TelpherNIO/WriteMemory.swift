internal import NIOCore
internal import TelpherTransport

/// The buffers that streams of one loop copy into for NIO, which writes only its own memory. In the
/// steady state, where the system takes each write at once, the same two serve every write.
///
/// Owned by one loop and used only on its thread.
struct WriteMemory {
  /// What is copied together with its head, so that it goes out as one piece of memory. A chunk of
  /// NIO's own memory past this size is not copied at all.
  private static let joinLimit = 2 * 1024
  /// The most that is kept for the next write.
  private static let keptCapacity = 512 * 1024

  /// The size of the smaller buffer.
  private static let smallCapacity = 4 * 1024

  private var small = ByteBuffer()
  private var large = ByteBuffer()

  /// `head` and `body` as NIO's buffers: a second one where the body is NIO's own memory.
  mutating func buffers(
    _ head: UnsafeRawBufferPointer, _ body: Chunk?
  ) -> (ByteBuffer, ByteBuffer?) {
    guard let body, !body.isEmpty else { return (Self.copy(head, nil, into: &small), nil) }
    if body.count > Self.joinLimit, let slice = Self.slice(body) {
      return head.isEmpty ? (slice, nil) : (Self.copy(head, nil, into: &small), slice)
    }
    if head.count + body.count <= Self.smallCapacity {
      return (Self.copy(head, body, into: &small), nil)
    }
    // Unavoidable: a ByteBuffer can't be made over memory that is not NIO's.
    if large.capacity > Self.keptCapacity { large = ByteBuffer() }
    return (Self.copy(head, body, into: &large), nil)
  }

  /// The bytes of a chunk that NIO has read, without a copy.
  private static func slice(_ body: Chunk) -> ByteBuffer? {
    guard let owner = body.storage.owner as? SharedBuffer else { return nil }
    // The chunk is part of what the last read into this memory brought.
    return owner.buffer.getSlice(at: body.lowerBound, length: body.count)
  }

  private static func copy(
    _ head: UnsafeRawBufferPointer, _ body: Chunk?, into buffer: inout ByteBuffer
  ) -> ByteBuffer {
    // Where a write that is not done still has the memory, this is other memory from here on.
    buffer.clear(minimumCapacity: max(smallCapacity, head.count + (body?.count ?? 0)))
    buffer.writeBytes(head)
    body?.withUnsafeBytes { bytes in _ = buffer.writeBytes(bytes) }
    return buffer
  }
}
