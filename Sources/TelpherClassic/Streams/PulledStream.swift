internal import TelpherTransport

/// A `ByteStream` that is read and written with `await`. It has at most one reader and one writer
/// at a time, both on the stream's loop.
///
/// It reads a little ahead, so that it notices the peer's end without a reader: see `didEnd`.
final class PulledStream {
  /// How the peer's bytes ended.
  enum End {
    /// With an orderly end. A peer that has only ended its sending side looks the same as one that
    /// is gone.
    case orderly
    /// With an error.
    case failed(TransportError)
  }

  /// Called once when the peer's bytes have ended, possibly before all of them were read here.
  var didEnd: ((End) -> Void)?
  /// How the peer's bytes ended. Nil before the end.
  private(set) var end: End?
  /// Whether the peer has ever sent anything.
  private(set) var hasReceived = false
  private(set) var isClosed = false
  /// Whether the peer waits for an answer. Then `close()` resets the connection, so that the peer
  /// does not take the end of the connection for the end of the answer.
  var isPeerWaiting = false

  /// The connection.
  let stream: any ByteStream
  private let aheadBytes: Int
  private var pieces: [Chunk] = []
  private var heldBytes = 0
  /// Whether a reader waits for the next piece.
  private var isWanted = false
  private let reader = Bell()
  private let writer = Bell()
  /// Whether the system has taken everything that was written.
  private var isDrained = true
  private var writeFailure: TransportError?

  /// - Parameters:
  ///   - readLimit: the most bytes of one read.
  ///   - aheadBytes: reading continues while fewer bytes than this wait here. With 0, the stream is
  ///     read only for a waiting reader; other bytes stay in the system and stick together there.
  init(_ stream: any ByteStream, readLimit: Int = .max, aheadBytes: Int) {
    self.stream = stream
    self.aheadBytes = aheadBytes
    stream.readLimit = readLimit
    // Weak references: if this object is dropped without `close()`, its loop owns the stream until
    // the loop ends.
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

  /// The result of a read with a time limit.
  enum TimedRead {
    /// Bytes arrived.
    case piece(Chunk)
    /// The peer's bytes have ended in order.
    case end
    /// Nothing arrived in time.
    case silence
  }

  /// The bytes of the next read of the connection. Nil at the end.
  ///
  /// - Throws: `ClassicError` (`lost`) if the connection failed or was closed here.
  func read() async throws(ClassicError) -> Chunk? {
    while true {
      switch try takeNext() {
      case .piece(let piece): return piece
      case .end: return nil
      case .silence: await reader.wait()
      }
    }
  }

  /// Like `read()`, but waits for at most that many nanoseconds. The stream stays open.
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

  /// Takes the next piece. If there is none, returns `silence` and requests the next read.
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

  /// Like `read()`, but takes at most `count` bytes. The rest stays for the next call.
  func read(upTo count: Int) async throws(ClassicError) -> Chunk? {
    guard var piece = try await read() else { return nil }
    guard piece.count > count else { return piece }
    let wanted = piece.removePrefix(count)
    unread(piece)
    return wanted
  }

  /// Reads exactly `count` bytes, in any number of reads.
  ///
  /// - Returns: nil if the peer's bytes ended in order before the first of them.
  /// - Throws: `ClassicError` (`lost`) if they ended later. The message says how many bytes of
  ///   `what` arrived.
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

  /// Puts bytes back, before the bytes of the next read.
  func unread(_ chunk: Chunk) {
    guard !chunk.isEmpty else { return }
    pieces.insert(chunk, at: 0)
    heldBytes += chunk.count
  }

  private func receive(_ chunk: Chunk) {
    hasReceived = true
    // A piece that no reader waits for may stay here for a long time, so it must not keep a whole
    // read buffer in memory.
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

  /// Writes `bytes`, and returns after the system has taken all of them: a slow peer makes the
  /// writer wait.
  ///
  /// - Throws: `ClassicError` (`lost`) if the peer is gone or the connection was closed here.
  func write(_ bytes: [UInt8]) async throws(ClassicError) {
    try await push { bytes.withUnsafeBytes { stream.write($0, nil) } }
  }

  /// Writes `text` in UTF-8, like `write(_:)` for bytes.
  func write(_ text: String) async throws(ClassicError) {
    try await write(Array(text.utf8))
  }

  /// Writes `chunk`, like `write(_:)` for bytes.
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

  /// Ends the sending side after everything that was written.
  func finishWriting() {
    if !isClosed { stream.finishWriting() }
  }

  /// Closes both sides at once. A waiting reader or writer fails with `lost`.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    didEnd = nil
    (pieces, heldBytes) = ([], 0)
    if isPeerWaiting { stream.setResetsOnClose(true) }
    stream.close()
    reader.ring()
    writer.ring()
  }
}

extension ClassicError {
  /// This side closed the connection during a read or write.
  fileprivate static let closedHere = ClassicError(.lost, "the connection was closed here")
}
