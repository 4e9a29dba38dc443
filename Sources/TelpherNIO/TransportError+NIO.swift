internal import NIOCore
internal import TelpherTransport

extension TransportError {
  /// Converts an error that NIO threw. `what` names the operation that failed.
  init(_ what: String, _ error: any Error) {
    if let error = error as? IOError {
      self.init(what, errno: error.errnoCode)
    } else {
      self.init(.system, "\(what): \(error)")
    }
  }

  /// The error of an operation on a loop that was shut down.
  static func loopEnded(_ what: String) -> TransportError {
    TransportError(.shutDown, "\(what): the loop was shut down")
  }
}
