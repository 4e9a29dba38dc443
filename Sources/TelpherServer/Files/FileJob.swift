internal import TelpherFiles
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A client's request about files: a worker's thread does it, this is its end on the loop. On its
/// loop's thread only.
final class FileJob {
  /// What kind of worker it needs.
  let kind: FileWorkers.Kind
  /// Whether a worker has it, or had it.
  private(set) var hasStarted = false

  private let request: FileRequest
  private let service: FileService
  private let loop: any EventLoop
  private let pump: PortPump
  private let didFinish: (FileJob, CloseResult?) -> Void
  private var isOver = false

  /// A request that waits for its worker.
  ///
  /// - Parameter didFinish: called once, on the loop, when the worker is done, or when the stream ends
  ///   before there is one: with the result, unless the client is gone.
  init(
    _ request: FileRequest, service: FileService, link: Link, stream: StreamID,
    didFinish: @escaping (FileJob, CloseResult?) -> Void
  ) {
    kind = FileWorkers.Kind(request.operation)
    self.request = request
    self.service = service
    self.didFinish = didFinish
    loop = link.loop
    pump = PortPump(link: link, stream: stream, sends: [.file, .index])
  }

  /// Has one of `workers` do it.
  ///
  /// - Parameter announced: what the client has announced over all streams of its connection.
  /// - Throws: `FileError` (`busy`) if there is no thread for it; nothing has started then.
  func start(on workers: WorkerPool, announced: AnnouncedBytes) throws(FileError) {
    let (request, service, port, loop) = (request, service, pump.port!, loop)
    nonisolated(unsafe) let job = self
    try workers.run {
      let result = service.perform(request, on: port, announced: announced)
      loop.execute { job.didPerform(result) }
    }
    hasStarted = true
  }

  /// The worker is done. What it sent goes first, but for a failure of the whole: that is told
  /// at once. (A tree that failed in parts has told of them in its records.)
  private func didPerform(_ result: CloseResult?) {
    guard !isOver, let result,
      result.tree != nil || (result.result != .failed && result.result != .refused)
    else { return didFinish(self, result) }
    whenOver = { [unowned self] in didFinish(self, CloseResult($0)) }
    pump.whenSent { [unowned self] in
      whenOver = nil
      didFinish(self, result)
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

  /// The stream is over, or is to be: the worker stops at its next step, and one that waits for a
  /// worker needs none.
  func end(_ error: FileError) {
    guard !isOver else { return }
    isOver = true
    pump.end(error)
    guard hasStarted else {
      return didFinish(self, error.code == .lost ? nil : CloseResult(error))
    }
    whenOver?(error)
    whenOver = nil
  }
}
