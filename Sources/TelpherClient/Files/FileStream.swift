internal import TelpherFileStore
internal import TelpherLink
internal import TelpherText
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

/// The client's side of one file request. Use it only on the loop's thread. A worker thread reads
/// and writes the files, through the pump's port.
final class FileStream {
  let stream: StreamID
  let pump: PortPump
  /// The server's result, or the error that ended the stream; nil while it is open.
  var outcome: Result<CloseResult, ClientError>? { ending.result }

  private let link: Link
  private let ending = StreamOutcome<CloseResult>()

  init(link: Link, stream: StreamID, operation: FileRequest.Operation) {
    self.link = link
    self.stream = stream
    pump = PortPump(
      link: link, stream: stream, sends: [.file, .index], receivesFiles: operation.sendsFiles)
  }

  /// Ends the stream with the server's result, or with an error.
  func finish(_ outcome: Result<CloseResult, ClientError>) {
    guard self.outcome == nil else { return }
    ending.finish(outcome)
    switch outcome {
    // If entries of a tree failed, its records have reported that before.
    case .success(let result) where result.result.isFailure && result.tree == nil:
      pump.end(FileError(result))
    case .success: pump.peerDidFinish()
    case .failure(let error): pump.end(FileError(.lost, error.message))
    }
  }

  /// Asks the server to cancel the request, and ends the worker.
  func cancel() {
    guard outcome == nil else { return }
    link.control(stream, .cancel)
    pump.end(FileError(.canceled, "the transfer was canceled"))
  }

  /// Ends the request without waiting for the server's result, because the server's answer is
  /// invalid or too long. Such a server may never send a result.
  func reset() {
    guard outcome == nil else { return }
    link.reset(stream, .canceled, reason: "the answer is invalid or too long")
  }

  /// Waits for the server's result.
  func result() async throws -> CloseResult { try await ending.value() }
}

extension CloseResult.Kind {
  /// Whether a file request has failed in whole or in part. An unknown result is a failure.
  var isFailure: Bool { self != .ok && self != .stored && self != .skipped }
}

extension FileError {
  /// The error for a failed result of the server.
  init(_ result: CloseResult) {
    let code: Code =
      switch result.result {
      case .refused: .refused
      case .canceled: .canceled
      default: .remote
      }
    self.init(
      code, ShownText.escaped(result.message ?? "the server sent the result '\(result.result)'"),
      errno: result.errno, path: result.path.map { ShownText.escaped($0) })
  }
}
