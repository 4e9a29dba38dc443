internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A client's stream that is attached to a job: it passes messages both ways. Use it only on its
/// loop's thread.
final class CommandStream: StreamWork, JobOutlet {
  private let job: CommandJob
  private let stream: StreamID
  /// Nil after the connection has ended.
  private weak var connection: ServerConnection?

  /// Creates a stream that the caller then attaches to `job` by `start` or `attach`.
  init(_ job: CommandJob, _ stream: StreamID, of connection: ServerConnection) {
    self.job = job
    self.stream = stream
    self.connection = connection
    connection.link.openInput(stream, .stdin)
  }

  // MARK: From the client

  func receive(_ chunk: Chunk, on channel: Channel) {
    if channel == .stdin, job.readsInput {
      job.receiveInput(chunk)
    } else {
      // A command does not read this channel. Grant the bytes again so that no credit is lost.
      connection?.link.consume(stream, channel, chunk.count)
    }
  }

  func receiveEnd(of channel: Channel) {
    if channel == .stdin { job.receiveEndOfInput() }
  }

  func receive(_ messages: [ControlMessage]) throws(WireError) {
    for message in messages {
      if message == .detach { try detach() } else { try job.receive(message) }
    }
  }

  private func detach() throws(WireError) {
    guard job.isNamed else {
      throw WireError(.protocolError, "CONTROL: detach needs a command with a job id")
    }
    job.detach(self, .asked)
  }

  func streamDidEnd(_ reason: StreamEnd) {
    switch reason {
    case .canceled: job.detach(self, .canceled)
    case .disconnected: job.detach(self, .disconnected)
    }
  }

  // MARK: JobOutlet

  func jobDidAttach(at offsets: [String: UInt64]) {
    connection?.link.control(stream, .opened(.command(offsets: offsets)))
  }

  func open(_ channel: Channel) -> any OutputSink {
    guard let connection else {
      preconditionFailure("a connection detaches its streams before it is released")
    }
    return connection.link.outbound(stream, channel)
  }

  /// Enlarges the input window once the command has read a whole window: a larger one is faster
  /// over long round trips. A command that does not read never costs more than the first window.
  func jobDidTakeInput(_ count: Int, total: UInt64) {
    guard let link = connection?.link else { return }
    if total >= link.window(of: stream, .stdin) { link.growInput(stream, .stdin) }
    link.consume(stream, .stdin, count)
  }

  func jobDidEndInput() {
    connection?.link.control(stream, .stopSending(Channel.stdin.rawValue))
  }

  func jobDidLeave(_ reason: JobLeave) {
    switch reason {
    case .finished(let result): connection?.workDidFinish(self, stream, .close(result))
    case .detached: connection?.workDidFinish(self, stream, .close(CloseResult(.detached)))
    case .replaced:
      connection?.workDidFinish(
        self, stream, .reset(.canceled, reason: "another stream attached to this job"))
    }
  }
}
