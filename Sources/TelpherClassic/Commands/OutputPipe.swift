internal import TelpherTransport

/// One output of a command: read when it is wanted, in the encoding that is wanted.
final class OutputPipe {
  /// Whether no more will come.
  private(set) var hasEnded = false

  private let stream: any ByteStream
  private let transcoder: Transcoder?
  private let didRead: (Chunk?) -> Void
  /// Bytes that are still to be read before the end, once the drain is over.
  private var lastBytes: Int?

  /// - Parameter didRead: gets each piece, and nil after the last.
  init(
    _ stream: any ByteStream, transcoder: Transcoder?, didRead: @escaping (Chunk?) -> Void
  ) {
    self.stream = stream
    self.transcoder = transcoder
    self.didRead = didRead
    stream.onRead = { [unowned self] chunk in receive(chunk) }
    stream.onEnd = { [unowned self] _ in finish() }
  }

  func resume() {
    if !hasEnded { stream.resumeReading() }
  }

  func pause() {
    if !hasEnded { stream.pauseReading() }
  }

  /// What the pipe holds at this moment is the last that is taken, where other processes than the
  /// command still hold it open.
  func takeLastOutput() {
    guard !hasEnded, lastBytes == nil, stream.hasWriters else { return }
    let count = stream.unreadBytes
    guard count > 0 else { return finish() }
    lastBytes = count
    stream.readLimit = count
  }

  /// Closes the pipe; nothing more is told.
  func close() {
    hasEnded = true
    stream.close()
  }

  private func receive(_ chunk: Chunk) {
    if let transcoder {
      let bytes = chunk.withUnsafeBytes { transcoder.convert($0) }
      // Half a character, say, is no piece yet.
      if !bytes.isEmpty { didRead(Chunk(bytes)) }
    } else {
      didRead(chunk)
    }
    guard let left = lastBytes else { return }
    lastBytes = left - chunk.count
    stream.readLimit = max(1, left - chunk.count)
    if left == chunk.count { finish() }
  }

  private func finish() {
    guard !hasEnded else { return }
    close()
    if let rest = transcoder?.finish(), !rest.isEmpty { didRead(Chunk(rest)) }
    didRead(nil)
  }
}
