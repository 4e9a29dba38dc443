internal import TelpherFileStore
internal import TelpherLink
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

/// A client's file request. A worker thread performs it; this object connects the worker to the
/// stream. Use it only on its loop's thread.
final class FileJob: StreamWork {
  /// What happens with the paths that the request writes, before it writes them.
  enum Writes {
    /// They go to the audit log, if there is one.
    case recorded(WriteRecorder?)
    /// They go to the server that has passed the request on, on a channel that clients do not get.
    case reported
  }

  /// The kind of worker that the request needs.
  let kind: FileWorkers.Kind
  /// Whether a worker has started it.
  private(set) var hasStarted = false
  /// Whether it runs on a thread that is reserved for its connection.
  private(set) var isReserved = false

  private let request: FileRequest
  private let service: FileService
  private let writes: Writes
  private let loop: any EventLoop
  private let pump: PortPump
  private let didFinish: (FileJob, CloseResult?) -> Void
  private var isOver = false

  /// Creates a request that has no worker yet.
  ///
  /// - Parameter didFinish: called once, on the loop, when the worker is done, or when the stream
  ///   ends before a worker has started. The result is nil if the client is gone.
  init(
    _ request: FileRequest, service: FileService, writes: Writes, link: Link, stream: StreamID,
    didFinish: @escaping (FileJob, CloseResult?) -> Void
  ) {
    kind = FileWorkers.Kind(request.operation)
    self.request = request
    self.service = service
    self.writes = writes
    self.didFinish = didFinish
    loop = link.loop
    let sends: [Channel] =
      switch writes {
      case .recorded: [.file, .index]
      case .reported: [.file, .index, WriteReport.channel]
      }
    pump = PortPump(
      link: link, stream: stream, sends: sends,
      receivesFiles: request.operation.storesFiles)
  }

  /// Starts the request on one of `workers`.
  ///
  /// - Parameter announced: the bytes that the client has announced on all streams of its
  ///   connection.
  /// - Throws: `FileError` (`busy`) if the system can't start a thread; then nothing has started.
  func start(
    on workers: WorkerPool, isReserved: Bool, announced: AnnouncedBytes
  ) throws(FileError) {
    let (request, service, port, loop) = (request, service, pump.port!, loop)
    nonisolated(unsafe) let job = self
    let record: WriteRecorder? =
      switch writes {
      case .recorded(let record): record
      case .reported: WriteReport.recorder(over: port)
      }
    try workers.run {
      let result = service.perform(request, on: port, announced: announced, record: record)
      // Without a report nothing looks at this channel.
      port.finish(WriteReport.channel)
      loop.execute { job.didPerform(result) }
    }
    hasStarted = true
    self.isReserved = isReserved
  }

  /// Finishes the request: after the worker's bytes have been sent, or at once if the whole request
  /// failed. (The failed entries of a tree are in its records.)
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

  /// Called if the stream ends while the worker's bytes are still being sent.
  private var whenOver: ((FileError) -> Void)?

  func receive(_ chunk: Chunk, on channel: Channel) { pump.receive(chunk, on: channel) }

  func receiveEnd(of channel: Channel) { pump.finish(channel) }

  func receive(_ messages: [ControlMessage]) throws(WireError) {
    if messages.contains(.cancel) {
      end(FileError(.canceled, "the client canceled"))
    } else {
      try pump.receive(messages)
    }
  }

  func streamDidEnd(_ reason: StreamEnd) { end(FileError(.lost, "the client is gone")) }

  /// Ends the request: its worker stops at the next step. A request that waits for a worker
  /// finishes at once.
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
