internal import TelpherTransport

/// A `ByteStream` whose bytes are pulled and pushed with `await`. For one reader and one writer at a
/// time, on the stream's loop.
///
/// It reads a little ahead, so that the end of a peer is noticed while nobody pulls: `didEnd`.
final class PulledStream {
  /// How the peer's bytes ended.
  enum End {
    /// In order, as far as one can tell: a peer that only stops writing looks like one that is gone.
    case orderly
    /// By an error.
    case failed(TransportError)
  }

  /// Told once when the peer's bytes have ended, be it ahead of what was pulled.
  var didEnd: ((End) -> Void)?
  /// How they ended.
  private(set) var end: End?
  /// Whether the peer ever sent anything.
  private(set) var hasReceived = false
  private(set) var isClosed = false
  /// Whether the peer waits for something that it would miss: then `close()` resets the connection,
  /// so that the peer does not take the end for that of an answer.
  var isPeerWaiting = false

  /// The connection.
  let stream: any ByteStream
  private let aheadBytes: Int
  private var pieces: [Chunk] = []
  private var heldBytes = 0
  /// Whether somebody waits for the next piece.
  private var isWanted = false
  private let reader = Bell()
  private let writer = Bell()
  /// Whether the system has taken all that was written.
  private var isDrained = true
  private var writeFailure: TransportError?

  /// - Parameters:
  ///   - readLimit: the most bytes of one read.
  ///   - aheadBytes: reading goes on while less than this was not pulled yet. With 0 only what is
  ///     pulled is read, and the rest stays in the system, where it sticks together.
  init(_ stream: any ByteStream, readLimit: Int = .max, aheadBytes: Int) {
    self.stream = stream
    self.aheadBytes = aheadBytes
    stream.readLimit = readLimit
    // Weakly: whoever drops this without closing it leaves the stream to the end of the loop.
    stream.onRead = { [weak self] chunk in self?.receive(chunk) }
    stream.onEnd = { [weak self] error in self?.finish(error.map { .failed($0) } ?? .orderly) }
    stream.onWritable = { [weak self] in
      self?.isDrained = true
      self?.writer.ring()
    }
    stream.onWriteFailure = { [weak self] error in
      self?.writeFailure = error
      self?.writer.ring()
    }
    updateReading()
  }

  // MARK: Reading

  /// What a read that waits for a limited time brought.
  enum TimedRead {
    /// Bytes.
    case piece(Chunk)
    /// The peer's bytes have ended in order.
    case end
    /// Nothing came in time.
    case silence
  }

  /// What one read brought, which was not pulled yet; nil at the end.
  ///
  /// - Throws: `ClassicError` (`lost`) where the connection broke.
  func read() async throws(ClassicError) -> Chunk? {
    while true {
      switch try takeNext() {
      case .piece(let piece): return piece
      case .end: return nil
      case .silence: await reader.wait()
      }
    }
  }

  /// As `read()`, but it waits for at most so many nanoseconds. The stream stays open.
  func read(
    within nanoseconds: UInt64, on loop: any EventLoop
  ) async throws(ClassicError) -> TimedRead {
    var isOver = false
    let timer = loop.schedule(after: nanoseconds) { [reader] in
      isOver = true
      reader.ring()
    }
    defer { timer.cancel() }
    while true {
      let next = try takeNext()
      guard case .silence = next, !isOver else { return next }
      await reader.wait()
    }
  }

  /// Takes what is there; `silence` where nothing is, and then the next read is asked for.
  private func takeNext() throws(ClassicError) -> TimedRead {
    guard !pieces.isEmpty else {
      if isClosed { throw .closedHere }
      switch end {
      case .orderly: return .end
      case .failed(let error): throw ClassicError(.lost, error.message)
      case nil: break
      }
      isWanted = true
      updateReading()
      return .silence
    }
    isWanted = false
    let piece = pieces.removeFirst()
    heldBytes -= piece.count
    updateReading()
    return .piece(piece)
  }

  /// As `read()`, but at most `count` bytes; the rest stays for the next call.
  func read(upTo count: Int) async throws(ClassicError) -> Chunk? {
    guard var piece = try await read() else { return nil }
    guard piece.count > count else { return piece }
    let wanted = piece.removePrefix(count)
    unread(piece)
    return wanted
  }

  /// Exactly `count` bytes, in however many reads they come.
  ///
  /// - Returns: nil where the peer's bytes ended in order before the first of them.
  /// - Throws: `ClassicError` (`lost`) that says how much of `what` was there.
  func read(exactly count: Int, of what: String) async throws(ClassicError) -> [UInt8]? {
    var bytes: [UInt8] = []
    while bytes.count < count {
      guard let piece = try await read(upTo: count - bytes.count) else {
        if bytes.isEmpty { return nil }
        throw ClassicError(
          .lost, "the connection ended after \(bytes.count) of the \(count) bytes of \(what)")
      }
      bytes.append(contentsOf: piece)
    }
    return bytes
  }

  /// Puts bytes back in front of what comes.
  func unread(_ chunk: Chunk) {
    guard !chunk.isEmpty else { return }
    pieces.insert(chunk, at: 0)
    heldBytes += chunk.count
  }

  private func receive(_ chunk: Chunk) {
    hasReceived = true
    // What waits here may wait for long.
    pieces.append(isWanted ? chunk : chunk.compacted())
    heldBytes += chunk.count
    isWanted = false
    reader.ring()
    updateReading()
  }

  private func updateReading() {
    guard end == nil, !isClosed else { return }
    if heldBytes < aheadBytes || (isWanted && pieces.isEmpty) {
      stream.resumeReading()
    } else {
      stream.pauseReading()
    }
  }

  private func finish(_ end: End) {
    self.end = end
    reader.ring()
    didEnd?(end)
  }

  // MARK: Writing

  /// Writes `bytes`, and returns once the system has taken all: a slow peer makes its writer wait.
  ///
  /// - Throws: `ClassicError` (`lost`) where the peer is gone.
  func write(_ bytes: [UInt8]) async throws(ClassicError) {
    try await push { bytes.withUnsafeBytes { stream.write($0, nil) } }
  }

  /// Writes `text` in UTF-8.
  func write(_ text: String) async throws(ClassicError) {
    try await write(Array(text.utf8))
  }

  /// Writes `chunk`.
  func write(_ chunk: Chunk) async throws(ClassicError) {
    try await push { stream.write(UnsafeRawBufferPointer(start: nil, count: 0), chunk) }
  }

  private func push(_ write: () -> Bool) async throws(ClassicError) {
    if isClosed { throw .closedHere }
    isDrained = write()
    while !isDrained, writeFailure == nil, !isClosed { await writer.wait() }
    if let writeFailure { throw ClassicError(.lost, writeFailure.message) }
    if isClosed { throw .closedHere }
  }

  /// Ends the writing side behind what was written.
  func finishWriting() {
    if !isClosed { stream.finishWriting() }
  }

  /// Closes both sides at once; who waits here is thrown out.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    didEnd = nil
    (pieces, heldBytes) = ([], 0)
    if isPeerWaiting { stream.resetOnClose() }
    stream.close()
    reader.ring()
    writer.ring()
  }
}

extension ClassicError {
  /// What a reader or writer meets whose own side closed the connection.
  fileprivate static let closedHere = ClassicError(.lost, "the connection was closed here")
}
