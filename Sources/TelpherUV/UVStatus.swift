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

  var transportCode: TransportError.Code {
    switch uv_errno_t(rawValue: code) {
    case UV_ECONNREFUSED, UV_ENOENT, UV_EHOSTUNREACH, UV_ENETUNREACH, UV_ETIMEDOUT: .unreachable
    case UV_EADDRINUSE: .addressInUse
    case UV_EADDRNOTAVAIL, UV_ENAMETOOLONG, UV_ENOTDIR, UV_EAFNOSUPPORT: .badAddress
    case UV_ECONNRESET, UV_EPIPE, UV_ECONNABORTED, UV_ENOTCONN: .broken
    case UV_EACCES, UV_EPERM: .notPermitted
    case UV_EMFILE, UV_ENFILE, UV_ENOMEM, UV_ENOBUFS, UV_EAGAIN: .exhausted
    default: .system
    }
  }
}

extension TransportError {
  /// The error of an operation on a loop that was shut down.
  static func loopEnded(_ what: String) -> TransportError {
    TransportError(.shutDown, "\(what): the loop was shut down")
  }
}
