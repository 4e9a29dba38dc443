internal import TelpherTransport

/// Reads and drops the outputs of finished commands that background processes still hold, so that
/// SIGPIPE does not end such a process when it writes. Use it only on its loop's thread.
final class HeldOutputs {
  /// The most outputs at once. Each costs a descriptor; a further one is closed.
  static let limit = 1_024
  /// The time between two reads of one output, in nanoseconds. A read takes all that the pipe
  /// holds, 64 KiB by default. So a process that writes without end is limited to about 6 MB/s, and
  /// the loop to a hundred reads per second.
  static let pause: UInt64 = 10_000_000

  private let loop: any EventLoop
  private let didEmpty: () -> Void
  private var pipes: [ObjectIdentifier: any ByteStream] = [:]
  /// The outputs that were read since the timer started, and wait for it.
  private var paused: [ObjectIdentifier] = []
  private var timer: (any LoopTimer)?

  /// - Parameter didEmpty: called each time the last output has ended.
  init(loop: any EventLoop, didEmpty: @escaping () -> Void) {
    self.loop = loop
    self.didEmpty = didEmpty
  }

  /// Whether no output is held.
  var isEmpty: Bool { pipes.isEmpty }

  /// Reads `pipe` to its end and closes it.
  func take(_ pipe: any ByteStream) {
    guard pipes.count < Self.limit else { return pipe.close() }
    let id = ObjectIdentifier(pipe)
    pipes[id] = pipe
    pipe.onRead = { [weak self, unowned pipe] _ in
      pipe.pauseReading()
      self?.didRead(id)
    }
    pipe.onEnd = { [weak self] _ in self?.didEnd(id) }
    pipe.readLimit = .max
    pipe.resumeReading()
  }

  /// Closes all outputs, at the end of the server.
  func closeAll() {
    timer?.cancel()
    timer = nil
    paused = []
    let open = pipes.values
    pipes = [:]
    open.forEach { $0.close() }
  }

  private func didRead(_ id: ObjectIdentifier) {
    paused.append(id)
    guard timer == nil else { return }
    timer = loop.schedule(after: Self.pause) { [weak self] in self?.resume() }
  }

  private func resume() {
    timer = nil
    let due = paused
    paused = []
    for id in due { pipes[id]?.resumeReading() }
  }

  private func didEnd(_ id: ObjectIdentifier) {
    guard let pipe = pipes.removeValue(forKey: id) else { return }
    pipe.close()
    if pipes.isEmpty { didEmpty() }
  }
}
