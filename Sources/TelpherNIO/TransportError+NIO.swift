internal import NIOCore
internal import TelpherSystem
internal import TelpherTransport

extension TransportError {
  /// What NIO threw while `what` was tried.
  init(_ what: String, _ error: any Error) {
    if let error = error as? IOError {
      self.init(what, errno: error.errnoCode)
    } else {
      self.init(.system, "\(what): \(error)")
    }
  }

  /// What anything fails with that is asked of a loop after its end.
  static func loopEnded(_ what: String) -> TransportError {
    TransportError(.shutDown, "\(what): the loop was shut down")
  }
}
