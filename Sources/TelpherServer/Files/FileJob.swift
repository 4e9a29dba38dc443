internal import TelpherFiles
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A client's request about files: a worker's thread does it, this is its end on the loop. On its
/// loop's thread only.
final class FileJob {
  private let pump: PortPump
  private var isOver = false

  /// - Parameter didFinish: told once, on the loop, when the worker is done: with the result, unless
  ///   nobody is there to be told.
  init(
    _ request: FileRequest, service: FileService, workers: WorkerPool, link: Link,
    stream: StreamID, didFinish: @escaping (FileJob, CloseResult?) -> Void
  ) {
    pump = PortPump(link: link, stream: stream, sends: [.file, .index])
    let (port, loop) = (pump.port!, link.loop)
    nonisolated(unsafe) let job = self
    nonisolated(unsafe) let didFinish = didFinish
    workers.run {
      let result = service.perform(request, on: port)
      loop.execute { job.didPerform(result) { didFinish(job, $0) } }
    }
  }

  /// The worker is done. What it sent goes first, but for a failure: that is told at once.
  private func didPerform(_ result: CloseResult?, _ tell: @escaping (CloseResult?) -> Void) {
    guard !isOver, let result, result.result != .failed, result.result != .refused else {
      return tell(result)
    }
    pump.whenSent { tell(result) }
    whenOver = { tell(nil) }
  }

  private var whenOver: (() -> Void)?

  func receive(_ chunk: Chunk, on channel: Channel) { pump.receive(chunk, on: channel) }

  func finish(_ channel: Channel) { pump.finish(channel) }

  /// A word about the request.
  ///
  /// - Throws: `WireError` where it can't be; the stream is then reset.
  func receive(_ message: ControlMessage) throws(WireError) {
    if message.cancel == true {
      pump.end(FileError(.canceled, "the client canceled"))
    } else {
      try pump.receive(message)
    }
  }

  /// The stream is over, or is to be: the worker stops at its next step.
  func end(_ error: FileError) {
    pump.end(error)
    guard error.code == .lost else { return }
    isOver = true
    whenOver?()
    whenOver = nil
  }
}
