internal import Synchronization

/// The memory behind chunks: filled by one reader, and let go with the last chunk.
///
/// `@unchecked Sendable`: the properties never change, and the bytes are written only by the loop
/// that filled them, before any chunk over them exists (see `ReadBuffer`).
public final class ChunkStorage: @unchecked Sendable {
  /// The first byte.
  public let memory: UnsafeMutableRawPointer
  /// The number of bytes.
  public let capacity: Int
  /// Whose memory it is; nil for its own. A backend finds by it what it has read itself.
  public let owner: (any AnyObject & Sendable)?

  /// How many bytes all living storages of this process hold together. `ReadBuffer` makes reads
  /// smaller as it rises, so that many slow readers can't make the server's memory grow.
  public static var bytesInUse: Int { inUse.load(ordering: .relaxed) }
  private static let inUse = Atomic<Int>(0)

  /// Fresh memory of `capacity` bytes, not initialized.
  public init(capacity: Int) {
    self.capacity = capacity
    owner = nil
    memory = SpareMemory.take(capacity)
    Self.inUse.add(capacity, ordering: .relaxed)
  }

  /// `capacity` bytes at `memory`, which belong to `owner` and stay there for as long as it lives.
  public init(
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
