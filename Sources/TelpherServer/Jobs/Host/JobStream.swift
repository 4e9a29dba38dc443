internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A client's stream about a durable job, in the job's host: what all kinds of them share. It ends
/// with the CLOSE that `finish` sends. Use it only on its loop's thread.
class JobStream: StreamWork, JobFollower {
  let job: KeptJob
  let stream: StreamID
  private(set) weak var connection: ServerConnection?
  /// Whether the stream has not ended.
  private(set) var isOpen = true

  init(_ job: KeptJob, _ stream: StreamID, of connection: ServerConnection) {
    self.job = job
    self.stream = stream
    self.connection = connection
  }

  /// The link of the client's connection; nil once the stream or the connection has ended.
  var link: Link? { isOpen ? connection?.link : nil }

  /// Ends the stream with this result.
  func finish(_ result: CloseResult) {
    guard isOpen else { return }
    isOpen = false
    job.remove(self)
    var result = result
    if result.job == nil { result.job = job.id }
    connection?.workDidFinish(self, stream, .close(result))
  }

  // MARK: StreamWork

  func receive(_ chunk: Chunk, on channel: Channel) { link?.consume(stream, channel, chunk.count) }

  func receiveEnd(of channel: Channel) {}

  func receive(_ messages: [ControlMessage]) throws(WireError) {
    for message in messages where isOpen {
      switch message {
      case .detach:
        job.detach(self)
        finish(CloseResult(.detached))
      case .cancel, .signal, .resize: try job.receive(message)
      case .stopSending(let channel): stopSending(channel)
      case .taken(let offsets): didTake(offsets)
      case .digest, .restart, .opened, .accepted: break
      }
    }
  }

  /// The client is gone, or wants no more of the stream. The job continues, unless it belongs to
  /// this stream.
  func streamDidEnd(_ reason: StreamEnd) { finish(CloseResult(.detached)) }

  /// The client wants no more bytes of this channel.
  func stopSending(_ channel: UInt8) {}

  /// The client needs nothing before these offsets.
  func didTake(_ offsets: [String: UInt64]) {}

  // MARK: JobFollower

  func jobDidStart() {}
  func journalDidGrow() {}
  func jobDidEnd(with result: CloseResult) { finish(result) }
}

/// A stream that only starts a job: it ends when the command has started, or has failed to start.
final class JobStartStream: JobStream {
  override func jobDidStart() {
    // If the job has ended, its result follows.
    if job.isLive { finish(CloseResult(.detached)) }
  }
}
