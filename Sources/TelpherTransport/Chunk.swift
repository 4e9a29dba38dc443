/// A range of immutable bytes that is shared instead of copied: a read fills it, a frame's payload
/// is a slice of it, and a write sends that slice.
///
/// Copies are cheap (a reference and two offsets) and may cross threads. The bytes never change
/// while a chunk that covers them exists.
public struct Chunk: Sendable {
  /// The memory that holds the bytes of this chunk and its slices.
  @usableFromInline package let storage: ChunkStorage
  /// Offset of the first byte in `storage`.
  public let lowerBound: Int
  /// Offset past the last byte in `storage`.
  public let upperBound: Int

  /// The number of bytes.
  public var count: Int { upperBound - lowerBound }
  /// Whether there are no bytes.
  public var isEmpty: Bool { lowerBound == upperBound }

  /// A chunk over bytes `range` of `storage`. They must be initialized and must not be written
  /// again while the chunk exists.
  @inlinable
  package init(storage: ChunkStorage, range: Range<Int>) {
    precondition(range.upperBound <= storage.capacity, "a chunk lies within its storage")
    self.storage = storage
    self.lowerBound = range.lowerBound
    self.upperBound = range.upperBound
  }

  /// A chunk with a copy of `bytes`.
  public init(copying bytes: UnsafeRawBufferPointer) {
    self.init(storage: ChunkStorage(capacity: bytes.count), range: 0..<bytes.count)
    if let source = bytes.baseAddress, bytes.count > 0 {
      storage.memory.copyMemory(from: source, byteCount: bytes.count)
    }
  }

  /// A chunk with a copy of `bytes`.
  public init(_ bytes: [UInt8]) {
    self = bytes.withUnsafeBytes { Chunk(copying: $0) }
  }

  /// A chunk with the UTF-8 bytes of `text`.
  public init(_ text: String) {
    self.init(Array(text.utf8))
  }

  /// A chunk that `fill` writes directly into new memory of `capacity` bytes. `fill` returns the
  /// number of bytes that it wrote; an error that it throws is rethrown.
  public init<Failure: Error>(
    capacity: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) {
    let storage = ChunkStorage(capacity: capacity)
    let count = try fill(UnsafeMutableRawBufferPointer(start: storage.memory, count: capacity))
    self.init(storage: storage, range: 0..<count)
  }

  /// A chunk of the bytes `range`, counted from this chunk's start, without a copy.
  @inlinable
  public func slice(_ range: Range<Int>) -> Chunk {
    precondition(range.upperBound <= count, "a slice lies within its chunk")
    return Chunk(
      storage: storage, range: (lowerBound + range.lowerBound)..<(lowerBound + range.upperBound))
  }

  /// Removes the first `length` bytes from this chunk and returns them, without a copy.
  @inlinable
  public mutating func removePrefix(_ length: Int) -> Chunk {
    let prefix = slice(0..<length)
    self = slice(length..<count)
    return prefix
  }

  /// This chunk and `next` as one chunk if `next` follows directly in the same memory; else nil.
  public func joined(with next: Chunk) -> Chunk? {
    guard next.storage === storage, next.lowerBound == upperBound else { return nil }
    return Chunk(storage: storage, range: lowerBound..<next.upperBound)
  }

  /// A chunk of the same bytes that keeps little other memory alive: this chunk if it fills at
  /// least a sixteenth of its storage, else a copy. Use it for a chunk that is kept for long: a
  /// slice of 20 bytes would otherwise keep a whole read buffer alive.
  public func compacted() -> Chunk {
    count * 16 >= storage.capacity ? self : withUnsafeBytes { Chunk(copying: $0) }
  }

  /// Calls `body` with the bytes, which are valid only until it returns.
  @inlinable
  public func withUnsafeBytes<R, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
  ) throws(Failure) -> R {
    try body(UnsafeRawBufferPointer(start: storage.memory + lowerBound, count: count))
  }
}

extension Array where Element == UInt8 {
  /// A copy of the chunk's bytes.
  public init(_ chunk: Chunk) {
    self = chunk.withUnsafeBytes { Array($0) }
  }

  /// Appends a copy of the chunk's bytes.
  public mutating func append(contentsOf chunk: Chunk) {
    chunk.withUnsafeBytes { append(contentsOf: $0) }
  }
}
