internal import Glibc
internal import TelpherTransport

/// One direction of a connection: a bounded ring of bytes between a writer and a reader, which may
/// be on different loops. It plays the role of the kernel's socket buffer.
final class MemoryPipe: Sendable {
  /// The result of a write.
  struct WriteResult {
    /// The number of bytes written.
    var count: Int
    /// The reason why no more can be written; nil if more can.
    var failure: TransportError?
    /// Whether this write broke the connection (see `cut`).
    var didCut = false
  }

  /// The result of a read.
  enum ReadResult {
    case bytes(Int)
    /// Nothing yet; the reader is woken when bytes arrive.
    case nothing
    /// The end: in order if nil, else the error that broke the connection.
    case end(TransportError?)
  }

  private let state: Monitor<State>

  /// A pipe that holds `capacity` bytes. If `discards` is true, it accepts and drops all bytes, as
  /// /dev/null does.
  init(capacity: Int, discards: Bool = false) {
    state = Monitor(State(capacity: capacity, discards: discards))
  }

  /// The number of bytes that can be read.
  var count: Int { state.withLock { $0.count } }
  /// Whether the writing side has ended.
  var isFinished: Bool { state.withLock { $0.end != nil } }

  func setReader(_ waker: MemoryWaker) { state.withLock { $0.reader = waker } }
  func setWriter(_ waker: MemoryWaker) { state.withLock { $0.writer = waker } }

  /// Writes as many of `bytes` as fit. The writer is woken when there is more space.
  func write(_ bytes: UnsafeRawBufferPointer) -> WriteResult {
    let (result, waker) = state.withLock { $0.write(bytes) }
    waker?()
    return result
  }

  /// Reads the available bytes, at most as many as `buffer` holds.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
    let (result, waker) = state.withLock { $0.read(into: buffer) }
    waker?()
    return result
  }

  /// Ends the writing side. With an error, the reader sees a broken connection.
  func finish(_ failure: TransportError? = nil) {
    let waker = state.withLock { state in
      if state.end == nil { state.end = .some(failure) }
      return state.reader
    }
    waker?()
  }

  /// Ends the reading side. Returns whether unread bytes were dropped.
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

  /// Breaks the direction: the reader gets the bytes in the pipe and then an error; the writer
  /// can't write any more.
  func sever() {
    let wakers = state.withLock { state in
      state.end = .some(.severed)
      return [state.reader, state.writer]
    }
    for waker in wakers { waker?() }
  }

  /// Makes the write fail that exceeds `bytes` more bytes.
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
    /// Set once writing has ended; the inner value is nil if it ended in order.
    var end: TransportError??
    var isReaderGone = false
    var isWriterWaiting = false
    /// The number of bytes that may still pass before the connection breaks.
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
      // Allocated with the first byte: most streams use one direction only a little.
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
  /// The reading side is closed.
  static let noReader = TransportError(.broken, "write: broken pipe", errno: EPIPE)
  /// The connection broke.
  static let severed = TransportError(.broken, "connection reset by peer", errno: ECONNRESET)
}
