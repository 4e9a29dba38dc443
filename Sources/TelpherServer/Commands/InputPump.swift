internal import TelpherLink
internal import TelpherTransport

/// Writes a command's standard input from its stream to its pipe. The client gets new credit only
/// when the pipe has accepted the bytes, so a command that does not read stops its client.
///
/// The pipe gets one chunk at a time, and its bytes count as soon as it has accepted them. If all
/// waiting bytes were queued at once, none would count before all are written, and a distant client
/// would have to wait for a whole window each time.
final class InputPump {
  private var pipe: (any ByteStream)?
  /// Bytes that wait for the pipe, and the end of the input. The client's window limits them.
  private var waiting = WaitingBytes()
  /// The length of the chunk that the pipe has queued; 0 if it has none. Then `onWritable` follows.
  private var queued = 0
  private var isBroken = false
  /// Bytes that arrived and were not accepted.
  private var untaken = 0
  /// Of these, the first ones, which came from an earlier stream.
  private var forgotten = 0
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
    pipe?.onWritable = { [unowned self] in
      let count = queued
      queued = 0
      take(count)
      write()
    }
    pipe?.onWriteFailure = { [unowned self] _ in stop() }
    write()
  }

  /// Forgets the stream's unwritten bytes, so that their credit does not go to the next stream.
  func detach() { forgotten = untaken }

  /// Continues with the input of another stream.
  ///
  /// - Parameter hasEnded: whether the new stream sends no input (NO_INPUT).
  func attach(hasEnded: Bool) {
    if hasEnded { finish() } else if waiting.isFinished || isBroken { didBreak() }
  }

  /// Writes bytes from the client. Drops them if the input has ended, also if an earlier stream
  /// ended it.
  func receive(_ chunk: Chunk) {
    guard !isBroken, !waiting.isFinished else { return didTake(chunk.count) }
    untaken += chunk.count
    // The common case: nothing waits, and no copy is needed.
    if let pipe, queued == 0, waiting.isEmpty { return write(chunk, to: pipe) }
    waiting.append(chunk)
  }

  /// Ends the input.
  func finish() {
    guard !waiting.isFinished else { return }
    waiting.finish()
    write()
  }

  /// Closes the pipe and drops all further bytes: the command has ended or reads no more.
  func stop() {
    guard !isBroken else { return }
    isBroken = true
    pipe?.close()
    waiting.removeAll()
    if !waiting.isFinished { didBreak() }
    take(untaken)
  }

  /// Writes what waits, until the pipe takes no more.
  private func write() {
    guard let pipe, !isBroken else { return }
    while queued == 0, let chunk = waiting.next() { write(chunk, to: pipe) }
    if queued == 0, waiting.isFinished { pipe.finishWriting() }
  }

  private func write(_ chunk: Chunk, to pipe: any ByteStream) {
    if pipe.write(UnsafeRawBufferPointer(start: nil, count: 0), chunk) {
      take(chunk.count)
    } else {
      queued = chunk.count
    }
  }

  /// `count` bytes were accepted or dropped.
  private func take(_ count: Int) {
    untaken -= count
    let own = max(0, count - forgotten)
    forgotten = max(0, forgotten - count)
    if own > 0 { didTake(own) }
  }
}
