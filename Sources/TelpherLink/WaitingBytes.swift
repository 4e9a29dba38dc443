internal import DequeModule
package import TelpherTransport

/// The bytes of one channel that have arrived and wait to be passed on or written, and whether its
/// end has arrived. The sender's credit bounds them.
package struct WaitingBytes {
  /// Chunks shorter than this, in bytes, are copied together: a sender may send byte by byte, and
  /// each chunk costs memory of its own.
  static let shortChunk = 2_048
  /// The most bytes that are copied together.
  static let gatheredLength = 16 << 10

  private var chunks: Deque<Chunk> = []
  /// Bytes of short chunks, which follow `chunks`.
  private var gathered: [UInt8] = []
  /// Whether the end of the channel has arrived.
  package private(set) var isFinished = false

  /// No bytes, and no end.
  package init() {}

  /// Whether no bytes wait.
  package var isEmpty: Bool { chunks.isEmpty && gathered.isEmpty }

  /// Adds bytes.
  package mutating func append(_ chunk: Chunk) {
    precondition(!isFinished, "the session accepts no bytes after a channel's end")
    guard chunk.count < Self.shortChunk else {
      gather()
      return chunks.append(chunk.compacted())
    }
    if gathered.count + chunk.count > Self.gatheredLength { gather() }
    gathered.append(contentsOf: chunk)
  }

  /// Notes the end of the channel.
  package mutating func finish() { isFinished = true }

  /// Removes and returns the next bytes; nil if none wait.
  package mutating func next() -> Chunk? {
    if chunks.isEmpty { gather() }
    return chunks.popFirst()
  }

  /// Drops all bytes.
  package mutating func removeAll() {
    chunks = []
    gathered = []
  }

  private mutating func gather() {
    guard !gathered.isEmpty else { return }
    chunks.append(Chunk(gathered))
    gathered = []
  }
}
