internal import TelpherTransport

/// Outputs of finished commands that processes in the background still hold: they are read and
/// dropped, so that such a process is not ended by SIGPIPE when it writes. On its loop's thread only.
final class HeldOutputs {
  /// Outputs at once. Each costs a descriptor; one more is closed instead.
  static let limit = 1_024
  /// The time between two reads of one output, in nanoseconds. A read takes what the pipe holds,
  /// 64 KiB by default: a process that writes without end is slowed down to some 6 MB/s, and costs the
  /// loop a hundred reads a second.
  static let pause: UInt64 = 10_000_000

  private let loop: any EventLoop
  private let didEmpty: () -> Void
  private var pipes: [ObjectIdentifier: any ByteStream] = [:]
  /// Those that were read during this pause.
  private var paused: [ObjectIdentifier] = []
  private var timer: (any LoopTimer)?

  /// - Parameter didEmpty: called each time the last output has ended.
  init(loop: any EventLoop, didEmpty: @escaping () -> Void) {
    self.loop = loop
    self.didEmpty = didEmpty
  }

  /// Whether there is none.
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

  /// Closes all of them: the server ends, and with it their reader.
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
