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
  /// - Throws: `FileError` where no worker is to be had; nothing is told then.
  init(
    _ request: FileRequest, service: FileService, workers: WorkerPool, link: Link,
    stream: StreamID, didFinish: @escaping (FileJob, CloseResult?) -> Void
  ) throws(FileError) {
    pump = PortPump(link: link, stream: stream, sends: [.file, .index])
    let (port, loop) = (pump.port!, link.loop)
    nonisolated(unsafe) let job = self
    nonisolated(unsafe) let didFinish = didFinish
    try workers.run {
      let result = service.perform(request, on: port)
      loop.execute { job.didPerform(result) { didFinish(job, $0) } }
    }
  }

  /// The worker is done. What it sent goes first, but for a failure of the whole: that is told
  /// at once. (A tree that failed in parts has told of them in its records.)
  private func didPerform(_ result: CloseResult?, _ tell: @escaping (CloseResult?) -> Void) {
    guard !isOver, let result,
      result.tree != nil || (result.result != .failed && result.result != .refused)
    else { return tell(result) }
    whenOver = { tell(CloseResult($0)) }
    pump.whenSent { [unowned self] in
      whenOver = nil
      tell(result)
    }
  }

  /// What is to be done where the stream ends while what the worker sent is still going out.
  private var whenOver: ((FileError) -> Void)?

  func receive(_ chunk: Chunk, on channel: Channel) { pump.receive(chunk, on: channel) }

  func finish(_ channel: Channel) { pump.finish(channel) }

  /// A word about the request.
  ///
  /// - Throws: `WireError` where it can't be; the stream is then reset.
  func receive(_ message: ControlMessage) throws(WireError) {
    if message.cancel == true {
      end(FileError(.canceled, "the client canceled"))
    } else {
      try pump.receive(message)
    }
  }

  /// The stream is over, or is to be: the worker stops at its next step.
  func end(_ error: FileError) {
    guard !isOver else { return }
    isOver = true
    pump.end(error)
    whenOver?(error)
    whenOver = nil
  }
}
