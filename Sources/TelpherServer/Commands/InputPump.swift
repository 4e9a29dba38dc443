internal import TelpherTransport

/// Carries a command's standard input from its stream to its pipe. Bytes count as taken only when
/// the pipe has them, so a command that doesn't read stops its client.
final class InputPump {
  private var pipe: (any ByteStream)?
  /// What came before the command had started; the client's credit bounds it.
  private var early: [Chunk] = []
  private var isFinished = false
  private var isBroken = false
  private var untaken = 0
  private let didTake: (Int) -> Void
  private let didBreak: () -> Void

  /// - Parameters:
  ///   - didTake: told of bytes that the pipe took, or that were dropped.
  ///   - didBreak: told once when the command reads no more.
  init(didTake: @escaping (Int) -> Void, didBreak: @escaping () -> Void) {
    self.didTake = didTake
    self.didBreak = didBreak
  }

  /// The command has started; nil if it has no input.
  func start(_ pipe: (any ByteStream)?) {
    self.pipe = pipe
    pipe?.onWritable = { [unowned self] in taken() }
    pipe?.onWriteFailure = { [unowned self] _ in stop() }
    let chunks = early
    early = []
    for chunk in chunks { write(chunk) }
    if isFinished { pipe?.finishWriting() }
  }

  /// The stream is gone; what it sent and the pipe has not taken is not granted to another.
  func detach() { untaken = 0 }

  /// Another stream goes on.
  ///
  /// - Parameter hasEnded: whether it brings nothing.
  func attach(hasEnded: Bool) {
    if hasEnded { finish() } else if isFinished || isBroken { didBreak() }
  }

  /// Bytes from the client. Those behind the end that an earlier stream told are dropped.
  func receive(_ chunk: Chunk) {
    untaken += chunk.count
    guard !isBroken, !isFinished else { return taken() }
    if pipe == nil { early.append(chunk.compacted()) } else { write(chunk) }
  }

  /// The client's end of input.
  func finish() {
    guard !isFinished else { return }
    isFinished = true
    pipe?.finishWriting()
  }

  /// The command is over, or reads no more: what comes from now on is dropped.
  func stop() {
    guard !isBroken else { return }
    isBroken = true
    pipe?.close()
    if !isFinished { didBreak() }
    taken()
  }

  private func write(_ chunk: Chunk) {
    guard let pipe else { return taken() }
    // Behind bytes that wait already, it may wait for long: it should not pin a whole read buffer.
    let chunk = pipe.queuedBytes > 0 ? chunk.compacted() : chunk
    if pipe.write(UnsafeRawBufferPointer(start: nil, count: 0), chunk) { taken() }
  }

  private func taken() {
    guard untaken > 0 else { return }
    let count = untaken
    untaken = 0
    didTake(count)
  }
}
