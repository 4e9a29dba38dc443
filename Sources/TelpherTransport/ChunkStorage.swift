internal import Synchronization

/// The memory of chunks: one reader fills it, and it is released with its last chunk.
///
/// `@unchecked Sendable`: the properties never change, and only the loop that fills the memory
/// writes to it, before any chunk over those bytes exists (see `ReadBuffer`).
@usableFromInline package final class ChunkStorage: @unchecked Sendable {
  /// The first byte.
  @usableFromInline package let memory: UnsafeMutableRawPointer
  /// The number of bytes.
  @usableFromInline package let capacity: Int
  /// The object that owns the memory; nil if this storage owns it. A backend uses it to recognize
  /// memory from its own reads.
  package let owner: (any AnyObject & Sendable)?

  /// The number of bytes in all existing storages of this process. `ReadBuffer` makes reads smaller
  /// as it rises, so that many slow readers can't exhaust the server's memory.
  package static var bytesInUse: Int { inUse.load(ordering: .relaxed) }
  private static let inUse = Atomic<Int>(0)

  /// A storage with new, uninitialized memory of `capacity` bytes.
  package init(capacity: Int) {
    self.capacity = capacity
    owner = nil
    memory = SpareMemory.take(capacity)
    Self.inUse.add(capacity, ordering: .relaxed)
  }

  /// A storage over `capacity` bytes at `memory`, which belong to `owner` and stay valid as long as
  /// it exists.
  package init(
    memory: UnsafeMutableRawPointer, capacity: Int, owner: any AnyObject & Sendable
  ) {
    self.capacity = capacity
    self.memory = memory
    self.owner = owner
    Self.inUse.add(capacity, ordering: .relaxed)
  }

  deinit {
    if owner == nil { SpareMemory.give(memory, capacity) }
    Self.inUse.subtract(capacity, ordering: .relaxed)
  }
}
