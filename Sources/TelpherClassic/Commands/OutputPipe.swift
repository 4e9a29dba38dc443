internal import TelpherTransport

/// One output of a command. It is read on request, and converted to the clients' encoding.
final class OutputPipe {
  /// Whether the output has ended.
  private(set) var hasEnded = false

  private let stream: any ByteStream
  private let transcoder: Transcoder?
  private let didRead: (Chunk) -> Void
  private let didEnd: () -> Void
  /// The bytes left to read after the drain is over. Nil before that.
  private var lastBytes: Int?

  /// - Parameters:
  ///   - didRead: receives each piece.
  ///   - didEnd: called once, after the last piece or when the pipe is closed.
  init(
    _ stream: any ByteStream, transcoder: Transcoder?, didRead: @escaping (Chunk) -> Void,
    didEnd: @escaping () -> Void
  ) {
    self.stream = stream
    self.transcoder = transcoder
    self.didRead = didRead
    self.didEnd = didEnd
    stream.onRead = { [unowned self] chunk in receive(chunk) }
    stream.onEnd = { [unowned self] _ in finish() }
  }

  func resume() {
    if !hasEnded { stream.resumeReading() }
  }

  func pause() {
    if !hasEnded { stream.pauseReading() }
  }

  /// Reads only the bytes that the pipe holds now, and then ends, if other processes than the
  /// command still hold the pipe open.
  func takeLastOutput() {
    guard !hasEnded, lastBytes == nil, stream.hasWriters else { return }
    let count = stream.unreadBytes
    guard count > 0 else { return finish() }
    lastBytes = count
    stream.readLimit = count
  }

  /// Closes the pipe. `didRead` is not called any more.
  func close() {
    guard !hasEnded else { return }
    hasEnded = true
    stream.close()
    didEnd()
  }

  private func receive(_ chunk: Chunk) {
    if let transcoder {
      let bytes = chunk.withUnsafeBytes { transcoder.convert($0) }
      // The bytes may be only part of a character.
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
    if let rest = transcoder?.finish(), !rest.isEmpty { didRead(Chunk(rest)) }
    close()
  }
}
