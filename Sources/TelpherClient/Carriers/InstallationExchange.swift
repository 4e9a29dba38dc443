internal import TelpherTransport

/// The conversation with the script of an `Installation`, before the server starts on the same
/// stream. Use it only on the loop's thread.
final class InstallationExchange {
  /// What the script needs.
  enum Answer {
    /// It has the program and becomes the server: the next byte is the server's.
    case have
    /// It waits for the program.
    case want
  }

  private let stream: any ByteStream
  private let loop: any EventLoop
  /// How long the script may be silent, and take nothing, in nanoseconds.
  private let patience: UInt64
  private var line: [UInt8] = []
  private var ended: ClientError?
  private var timer: (any LoopTimer)?
  /// The call that waits for a line or for room.
  private var waiting: CheckedContinuation<Void, Never>?

  init(_ stream: any ByteStream, on loop: any EventLoop, patience: UInt64) {
    self.stream = stream
    self.loop = loop
    self.patience = patience
    stream.onRead = { [unowned self] chunk in
      line.append(contentsOf: chunk)
      stream.readLimit = max(1, Installation.have.utf8.count - line.count)
      if line.count == Installation.have.utf8.count {
        stream.pauseReading()
        wake()
      }
    }
    stream.onEnd = { [unowned self] _ in end("the connection ended") }
    stream.onWriteFailure = { [unowned self] _ in end("the connection ended") }
    stream.onWritable = { [unowned self] in wake() }
  }

  /// Reads the script's answer.
  ///
  /// - Throws: `ClientError`: `lost` if the stream ends or is silent; `protocolError` if it has other
  ///   text.
  func answer() async throws(ClientError) -> Answer {
    line = []
    stream.readLimit = Installation.have.utf8.count
    stream.resumeReading()
    while line.count < Installation.have.utf8.count {
      if let ended { throw ended }
      await wait { self.line.count < Installation.have.utf8.count }
    }
    switch String(decoding: line, as: UTF8.self) {
    case Installation.have:
      detach()
      return .have
    case Installation.want: return .want
    case let other:
      throw ClientError(
        .protocolError,
        "the login there prints '\(other)' first: it must print nothing to a program")
    }
  }

  /// Says that nothing is copied: the script becomes the server on the PATH, if there is one.
  ///
  /// - Throws: `ClientError` (`lost`) if the stream ends or takes nothing.
  func skip() async throws(ClientError) {
    try await send(Installation.skip, [])
    detach()
  }

  /// Sends the program.
  ///
  /// - Throws: `ClientError` (`lost`) if the stream ends or takes nothing.
  func send(_ chunks: [Chunk]) async throws(ClientError) {
    try await send(Installation.copy, chunks)
  }

  private func send(_ line: String, _ chunks: [Chunk]) async throws(ClientError) {
    for chunk in [Chunk(line)] + chunks {
      if let ended { throw ended }
      let empty = UnsafeRawBufferPointer(start: nil, count: 0)
      guard !stream.write(empty, chunk) else { continue }
      while stream.queuedBytes > 0, ended == nil { await wait { self.stream.queuedBytes > 0 } }
    }
    if let ended { throw ended }
  }

  /// Leaves the stream to the link.
  private func detach() {
    (stream.onRead, stream.onEnd, stream.onWritable, stream.onWriteFailure) = (nil, nil, nil, nil)
    stream.readLimit = Int.max
  }

  /// Waits for the next event, at most `patience`.
  ///
  /// - Parameter isNeeded: whether there is still something to wait for.
  private func wait(while isNeeded: () -> Bool) async {
    timer = loop.schedule(after: patience) { [weak self] in
      self?.end("the other side was silent for too long")
    }
    await withCheckedContinuation { continuation in
      // Check again: this closure may run one turn of the loop later, after the event.
      if isNeeded(), ended == nil { waiting = continuation } else { continuation.resume() }
    }
    timer?.cancel()
    timer = nil
  }

  /// Ends the conversation: calls that wait throw `lost`.
  func end(_ why: String) {
    if ended == nil { ended = ClientError(.lost, why) }
    wake()
  }

  private func wake() {
    let continuation = waiting
    waiting = nil
    continuation?.resume()
  }
}
