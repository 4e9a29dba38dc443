internal import Glibc
internal import TelpherTransport

/// One direction of a connection: a bounded ring of bytes between a writer and a reader, who may be
/// on different loops. What the kernel's socket buffer is to a real stream.
final class MemoryPipe: Sendable {
  /// What a write did.
  struct WriteResult {
    /// How many bytes went in.
    var count: Int
    /// Why none will go in any more.
    var failure: TransportError?
    /// Whether this write was the one that broke the connection (see `cut`).
    var didCut = false
  }

  /// What a read found.
  enum ReadResult {
    case bytes(Int)
    /// Nothing; the reader is woken when there is something.
    case nothing
    /// The end: orderly with nil.
    case end(TransportError?)
  }

  private let state: Monitor<State>

  /// A pipe that holds `capacity` bytes. One that `discards` has a reader that takes everything and
  /// looks at nothing, as /dev/null does.
  init(capacity: Int, discards: Bool = false) {
    state = Monitor(State(capacity: capacity, discards: discards))
  }

  /// The bytes that wait to be read.
  var count: Int { state.withLock { $0.count } }
  /// Whether no more will be written.
  var isFinished: Bool { state.withLock { $0.end != nil } }

  func setReader(_ waker: MemoryWaker) { state.withLock { $0.reader = waker } }
  func setWriter(_ waker: MemoryWaker) { state.withLock { $0.writer = waker } }

  /// Puts in as much of `bytes` as there is room for; the writer is woken when there is more room.
  func write(_ bytes: UnsafeRawBufferPointer) -> WriteResult {
    let (result, waker) = state.withLock { $0.write(bytes) }
    waker?()
    return result
  }

  /// Takes out what there is, at most as much as `buffer` holds.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
    let (result, waker) = state.withLock { $0.read(into: buffer) }
    waker?()
    return result
  }

  /// No more will be written; with an error the reader is told that the connection broke.
  func finish(_ failure: TransportError? = nil) {
    let waker = state.withLock { state in
      if state.end == nil { state.end = .some(failure) }
      return state.reader
    }
    waker?()
  }

  /// No more will be read. Returns whether bytes were left.
  func closeReader() -> Bool {
    let (hadBytes, waker) = state.withLock { state in
      defer {
        state.count = 0
        state.isReaderGone = true
      }
      return (state.count > 0, state.writer)
    }
    waker?()
    return hadBytes
  }

  /// Breaks the direction behind what is in it: the reader gets that and then an error, the writer
  /// can't write any more.
  func sever() {
    let wakers = state.withLock { state in
      state.end = .some(.severed)
      return [state.reader, state.writer]
    }
    for waker in wakers { waker?() }
  }

  /// Has the write fail that goes past `bytes` more bytes.
  func cut(after bytes: Int) {
    state.withLock { $0.bytesToCut = bytes }
  }
}

extension MemoryPipe {
  private struct State {
    let capacity: Int
    let discards: Bool
    var ring: [UInt8] = []
    var start = 0
    var count = 0
    /// Set when no more will come; the inner value says whether in order.
    var end: TransportError??
    var isReaderGone = false
    var isWriterWaiting = false
    /// The bytes that still may pass before the connection breaks.
    var bytesToCut: Int?
    var reader: MemoryWaker?
    var writer: MemoryWaker?

    init(capacity: Int, discards: Bool) {
      self.capacity = capacity
      self.discards = discards
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) -> (WriteResult, MemoryWaker?) {
      if case .some(.some(let failure)) = end {
        return (WriteResult(count: 0, failure: failure), nil)
      }
      if isReaderGone { return (WriteResult(count: 0, failure: .noReader), nil) }
      var room = discards ? bytes.count : capacity - count
      if let left = bytesToCut { room = min(room, left) }
      let taken = min(room, bytes.count)
      if !discards { append(UnsafeRawBufferPointer(rebasing: bytes[..<taken])) }
      var result = WriteResult(count: taken)
      if let left = bytesToCut {
        bytesToCut = left - taken
        if left == taken {
          end = .some(.severed)
          result.failure = .severed
          result.didCut = true
        }
      }
      isWriterWaiting = taken < bytes.count
      return (result, reader)
    }

    mutating func read(
      into buffer: UnsafeMutableRawBufferPointer
    ) -> (ReadResult, MemoryWaker?) {
      guard count > 0 else {
        if let end { return (.end(end), nil) }
        return (.nothing, nil)
      }
      let taken = min(count, buffer.count)
      ring.withUnsafeBytes { ring in
        let first = min(taken, capacity - start)
        buffer.copyMemory(from: .init(rebasing: ring[start..<(start + first)]))
        if taken > first {
          UnsafeMutableRawBufferPointer(rebasing: buffer[first...])
            .copyMemory(from: .init(rebasing: ring[..<(taken - first)]))
        }
      }
      start = (start + taken) % capacity
      count -= taken
      defer { isWriterWaiting = false }
      return (.bytes(taken), isWriterWaiting ? writer : nil)
    }

    private mutating func append(_ bytes: UnsafeRawBufferPointer) {
      // The memory comes with the first byte: most streams use one direction's pipe only a little.
      if ring.isEmpty { ring = [UInt8](repeating: 0, count: capacity) }
      let end = (start + count) % capacity
      ring.withUnsafeMutableBytes { ring in
        let first = min(bytes.count, capacity - end)
        UnsafeMutableRawBufferPointer(rebasing: ring[end...])
          .copyMemory(from: .init(rebasing: bytes[..<first]))
        ring.copyMemory(from: .init(rebasing: bytes[first...]))
      }
      count += bytes.count
    }
  }
}

extension TransportError {
  /// Nobody reads any more.
  static let noReader = TransportError(.broken, "write: broken pipe", errno: EPIPE)
  /// The connection broke.
  static let severed = TransportError(.broken, "connection reset by peer", errno: ECONNRESET)
}
