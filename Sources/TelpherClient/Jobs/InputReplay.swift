internal import DequeModule
package import TelpherTransport

/// The input of a command that may have to be sent again on another connection: what the job has not
/// accepted, at most `limit` bytes and one chunk. Use it from any task.
package actor InputReplay {
  /// The most bytes that are sent without an answer of the job. It bounds the memory, and the speed
  /// over a far link: 40 MB/s at a round trip of 100 ms.
  static let limit = 4 << 20

  /// Why `next` returned nothing.
  enum End: Error {
    /// Another connection takes over.
    case interrupted
  }

  /// The chunks that were not accepted, and the offset of the first one's first byte.
  private var chunks: Deque<Chunk> = []
  private var start: UInt64 = 0
  private var end: UInt64 = 0
  private var isComplete = false
  /// Whether the job takes no more.
  private var isClosed = false
  /// The number of connections so far.
  private var turn = 0
  private var writer: CheckedContinuation<Void, Never>?
  private var reader: CheckedContinuation<Void, Never>?

  package init() {}

  // MARK: The side that reads the input

  /// Adds a chunk, and waits while too much was not accepted. One task may add.
  ///
  /// - Returns: whether the job takes more.
  package func add(_ chunk: Chunk) async -> Bool {
    guard !isClosed else { return false }
    chunks.append(chunk.compacted())
    end += UInt64(chunk.count)
    wakeReader()
    while !isClosed, end - start > UInt64(Self.limit) {
      await withCheckedContinuation { writer = $0 }
    }
    return !isClosed
  }

  /// The input is complete.
  package func finish() {
    isComplete = true
    wakeReader()
  }

  // MARK: The side that sends it

  /// Nothing was sent yet: the input begins at `offset` of the job's.
  func place(at offset: UInt64) {
    (start, end) = (offset, offset + (end - start))
  }

  /// Begins to send on a new connection; another one's `next` throws from now on. The job has
  /// accepted the bytes before `offset`.
  ///
  /// - Returns: the number of the connection; nil if the job's position is not one at which this
  ///   input can continue.
  func begin(at offset: UInt64) -> Int? {
    turn += 1
    wakeReader()
    guard (start...end).contains(offset) else { return nil }
    accept(offset)
    return turn
  }

  /// No connection sends any more.
  func interrupt() {
    turn += 1
    wakeReader()
  }

  /// The job takes no more input.
  func close() {
    isClosed = true
    chunks = []
    wakeWriter()
    wakeReader()
  }

  /// The job has accepted everything before `offset`.
  func accept(_ offset: UInt64) {
    while let chunk = chunks.first, start < offset {
      let accepted = min(UInt64(chunk.count), min(offset, end) - start)
      guard accepted > 0 else { break }
      start += accepted
      _ = chunks[0].removePrefix(Int(accepted))
      if chunks[0].isEmpty { chunks.removeFirst() }
    }
    wakeWriter()
  }

  /// The bytes from `offset` on, as far as they are one chunk, which the connection `number` sends;
  /// nil at the end of the input. Waits for them.
  ///
  /// - Throws: `End` if the connection was interrupted.
  func next(from offset: UInt64, _ number: Int) async throws(End) -> Chunk? {
    while true {
      guard turn == number, !isClosed else { throw .interrupted }
      var place = start
      for chunk in chunks {
        let chunkEnd = place + UInt64(chunk.count)
        if offset < chunkEnd {
          var rest = chunk
          if offset > place { _ = rest.removePrefix(Int(offset - place)) }
          return rest
        }
        place = chunkEnd
      }
      if isComplete { return nil }
      await withCheckedContinuation { reader = $0 }
    }
  }

  private func wakeWriter() {
    writer?.resume()
    writer = nil
  }

  private func wakeReader() {
    reader?.resume()
    reader = nil
  }
}
