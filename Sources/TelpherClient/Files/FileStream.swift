internal import TelpherFiles
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// One request about files as the client sees it. On the loop only; what is done with files is done
/// by a worker's thread, at the other side of the pump's port.
final class FileStream {
  let stream: StreamID
  let pump: PortPump
  /// How the server ended it, once that is known.
  private(set) var outcome: Result<CloseResult, ClientError>?

  private let link: Link
  private var waiters: [CheckedContinuation<CloseResult, any Error>] = []

  init(link: Link, stream: StreamID) {
    self.link = link
    self.stream = stream
    pump = PortPump(link: link, stream: stream, sends: [.file, .index])
  }

  /// The server's last word, or what came in its place.
  func finish(_ outcome: Result<CloseResult, ClientError>) {
    guard self.outcome == nil else { return }
    self.outcome = outcome
    switch outcome {
    // Of a tree that failed in parts, the records tell, all of which came before.
    case .success(let result) where result.result.isFailure && result.tree == nil:
      pump.end(FileError(result))
    case .success: pump.peerIsContent()
    case .failure(let error): pump.end(FileError(.lost, error.message))
    }
    let waiting = waiters
    waiters = []
    waiting.forEach { $0.resume(with: outcome.mapError { $0 }) }
  }

  /// Asks the server to stop, and has the worker stop.
  func cancel() {
    guard outcome == nil else { return }
    var message = ControlMessage()
    message.cancel = true
    link.control(stream, message)
    pump.end(FileError(.canceled, "the transfer was canceled"))
  }

  /// The server's last word, waited for.
  func result() async throws -> CloseResult {
    if let outcome { return try outcome.get() }
    return try await withCheckedThrowingContinuation { continuation in
      // A task that doesn't prefer the loop may get here a turn of the loop later.
      if let outcome {
        continuation.resume(with: outcome.mapError { $0 })
      } else {
        waiters.append(continuation)
      }
    }
  }
}

extension CloseResult.Kind {
  /// Whether what was asked of files was not done, or not all of it. An unknown word is a failure.
  var isFailure: Bool { self != .ok && self != .stored && self != .skipped }
}

extension FileError {
  /// What the server said of its failure.
  init(_ result: CloseResult) {
    let code: Code =
      switch result.result {
      case .refused: .refused
      case .canceled: .canceled
      default: .remote
      }
    self.init(
      code, ShownText.escaped(result.message ?? "the server ended it with '\(result.result)'"),
      errno: result.errno, path: result.path.map { ShownText.escaped($0) })
  }
}
