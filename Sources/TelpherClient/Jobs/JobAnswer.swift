internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// The client's side of a request about durable jobs: the server's result, and the lines that came
/// before it. Use it only on the loop's thread.
final class JobAnswer {
  private let link: Link
  private let stream: StreamID
  private(set) var lines: [UInt8] = []
  private let ending = StreamOutcome<CloseResult>()
  private var failure: ClientError?

  /// The most bytes of lines: a list of 65,536 jobs. It protects the client from a server that lists
  /// without end.
  private static let limit = 64 << 20

  init(link: Link, stream: StreamID) {
    self.link = link
    self.stream = stream
  }

  func receive(_ chunk: Chunk, on channel: Channel) {
    link.consume(stream, channel, chunk.count)
    guard channel == .index, failure == nil else { return }
    guard lines.count + chunk.count <= Self.limit else {
      failure = ClientError(.tooLarge, "the list of jobs takes more than \(Self.limit >> 20) MiB")
      lines = []
      return link.control(stream, .cancel)
    }
    lines.append(contentsOf: chunk)
  }

  /// Ends the request.
  func finish(_ result: Result<CloseResult, ClientError>) {
    guard ending.result == nil else { return }
    ending.finish(failure.map { .failure($0) } ?? result)
  }

  /// Waits for the server's result.
  func result() async throws -> CloseResult { try await ending.value() }
}
