internal import TelpherTransport

/// Writes a command's standard input from its stream to its pipe. The client gets new credit only
/// when the pipe has accepted the bytes, so a command that does not read stops its client.
final class InputPump {
  private var pipe: (any ByteStream)?
  /// Bytes that arrived before the command had started; the client's window limits them.
  private var early: [Chunk] = []
  private var isFinished = false
  private var isBroken = false
  private var untaken = 0
  private let didTake: (Int) -> Void
  private let didBreak: () -> Void

  /// - Parameters:
  ///   - didTake: called with the number of bytes that the pipe accepted, or that were dropped.
  ///   - didBreak: called when the command reads no more input.
  init(didTake: @escaping (Int) -> Void, didBreak: @escaping () -> Void) {
    self.didTake = didTake
    self.didBreak = didBreak
  }

  /// Starts writing to the command's pipe, or closes it if the input was stopped before.
  func start(_ pipe: (any ByteStream)?) {
    guard !isBroken else {
      pipe?.close()
      return
    }
    self.pipe = pipe
    pipe?.onWritable = { [unowned self] in taken() }
    pipe?.onWriteFailure = { [unowned self] _ in stop() }
    let chunks = early
    early = []
    for chunk in chunks { write(chunk) }
    if isFinished { pipe?.finishWriting() }
  }

  /// Forgets the stream's unwritten bytes, so that their credit does not go to the next stream.
  func detach() { untaken = 0 }

  /// Continues with the input of another stream.
  ///
  /// - Parameter hasEnded: whether the new stream sends no input (NO_INPUT).
  func attach(hasEnded: Bool) {
    if hasEnded { finish() } else if isFinished || isBroken { didBreak() }
  }

  /// Writes bytes from the client. Drops them if the input has ended, also if an earlier stream
  /// ended it.
  func receive(_ chunk: Chunk) {
    untaken += chunk.count
    guard !isBroken, !isFinished else { return taken() }
    if pipe == nil { early.append(chunk.compacted()) } else { write(chunk) }
  }

  /// Ends the input.
  func finish() {
    guard !isFinished else { return }
    isFinished = true
    pipe?.finishWriting()
  }

  /// Closes the pipe and drops all further bytes: the command has ended or reads no more.
  func stop() {
    guard !isBroken else { return }
    isBroken = true
    early = []
    pipe?.close()
    if !isFinished { didBreak() }
    taken()
  }

  private func write(_ chunk: Chunk) {
    guard let pipe else { return taken() }
    // The chunk may wait for long after queued bytes. Copy it so that it does not keep a whole read
    // buffer alive.
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
