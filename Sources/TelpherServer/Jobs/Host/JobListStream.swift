internal import DequeModule
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// The stream of a `jobs` request: it sends the descriptions of the jobs as lines. Use it only on its
/// loop's thread.
final class JobListStream: StreamWork {
  private let stream: StreamID
  private weak var connection: ServerConnection?
  private var chunks: Deque<Chunk> = []
  private var output: OutboundChannel?

  /// The length of a chunk in bytes from which on it gets no further line.
  private static let chunkLength = 64 << 10

  init(_ records: [JobRecord], _ stream: StreamID, of connection: ServerConnection) {
    self.stream = stream
    self.connection = connection
    var bytes: [UInt8] = []
    for record in records {
      bytes += record.encodedLine()
      guard bytes.count >= Self.chunkLength else { continue }
      chunks.append(Chunk(bytes))
      bytes = []
    }
    if !bytes.isEmpty { chunks.append(Chunk(bytes)) }
  }

  func start() {
    guard let output = connection?.link.outbound(stream, .index) else { return }
    self.output = output
    output.onReady = { [weak self] in self?.send() }
    output.onFinished = { [weak self] in self?.finish(CloseResult(.ok)) }
    send()
  }

  private func send() {
    guard let output else { return }
    while let chunk = chunks.popFirst() {
      guard output.send(chunk) else { break }
    }
    if chunks.isEmpty { output.finish() }
  }

  private func finish(_ result: CloseResult) {
    connection?.workDidFinish(self, stream, .close(result))
    connection = nil
  }

  func receive(_ chunk: Chunk, on channel: Channel) {
    connection?.link.consume(stream, channel, chunk.count)
  }

  func receiveEnd(of channel: Channel) {}

  func receive(_ messages: [ControlMessage]) throws(WireError) {
    if messages.contains(.cancel) { finish(CloseResult(.canceled)) }
  }

  func streamDidEnd(_ reason: StreamEnd) { finish(CloseResult(.canceled)) }
}
