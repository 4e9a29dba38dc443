internal import CLibUV
internal import TelpherTransport

/// The status of a failed libuv call: a negated errno(3) or one of libuv's own codes.
struct UVStatus: Error {
  let code: Int32

  init(_ code: Int32) {
    self.code = code
  }

  /// The system's error number, or 0 for one of libuv's own codes (below -3000).
  var errno: Int32 { code > -3000 ? -code : 0 }

  /// libuv's text for the error.
  var text: String { String(cString: uv_strerror(code)) }

  /// The status as a `TransportError`. `what` names the operation that failed.
  func error(_ what: String) -> TransportError {
    TransportError(transportCode, "\(what): \(text)", errno: errno)
  }

  /// libuv's own codes are `system`.
  var transportCode: TransportError.Code { TransportError.Code(errno: errno) }
}

extension TransportError {
  /// The error of an operation on a loop that was shut down.
  static func loopEnded(_ what: String) -> TransportError {
    TransportError(.shutDown, "\(what): the loop was shut down")
  }
}
