internal import NIOCore
internal import TelpherTransport

/// The buffers that the streams of one loop copy their writes into, because NIO writes only its own
/// memory. If the system takes each write at once, the same two buffers serve all writes.
///
/// Owned by one loop and used only on its thread.
struct WriteMemory {
  /// The largest body in bytes that is always copied together with its head, so that both go out as
  /// one piece of memory. A longer body in NIO's own memory is not copied.
  private static let joinLimit = 2 * 1024
  /// The largest buffer in bytes that is kept for the next write.
  private static let keptCapacity = 512 * 1024

  /// The size of the smaller buffer in bytes.
  private static let smallCapacity = 4 * 1024

  private var small = ByteBuffer()
  private var large = ByteBuffer()

  /// Returns `head` and `body` as NIO buffers. If the body is in NIO's own memory, it may come as a
  /// second buffer.
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
    // The copy can't be avoided: a ByteBuffer can't use memory that is not NIO's.
    if large.capacity > Self.keptCapacity { large = ByteBuffer() }
    return (Self.copy(head, body, into: &large), nil)
  }

  /// The bytes of a chunk that NIO has read, without a copy. Nil for other chunks.
  private static func slice(_ body: Chunk) -> ByteBuffer? {
    guard let owner = body.storage.owner as? SharedBuffer else { return nil }
    // The chunk is part of the bytes of the last read into this memory.
    return owner.buffer.getSlice(at: body.lowerBound, length: body.count)
  }

  private static func copy(
    _ head: UnsafeRawBufferPointer, _ body: Chunk?, into buffer: inout ByteBuffer
  ) -> ByteBuffer {
    // If an unfinished write still uses the memory, this allocates other memory.
    buffer.clear(minimumCapacity: max(smallCapacity, head.count + (body?.count ?? 0)))
    buffer.writeBytes(head)
    body?.withUnsafeBytes { bytes in _ = buffer.writeBytes(bytes) }
    return buffer
  }
}
