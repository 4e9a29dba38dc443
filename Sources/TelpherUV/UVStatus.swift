internal import CLibUV
internal import TelpherTransport

/// What a libuv call returned when it failed: a negated errno(3) or one of libuv's own codes.
struct UVStatus: Error {
  let code: Int32

  init(_ code: Int32) {
    self.code = code
  }

  /// The system's error number, or 0 for libuv's own codes (which lie past 3000).
  var errno: Int32 { code > -3000 ? -code : 0 }

  /// In words.
  var text: String { String(cString: uv_strerror(code)) }

  /// As the seam's error: `what` was tried.
  func error(_ what: String) -> TransportError {
    TransportError(transportCode, "\(what): \(text)", errno: errno)
  }

  private var transportCode: TransportError.Code {
    switch uv_errno_t(rawValue: code) {
    case UV_ECONNREFUSED, UV_ENOENT, UV_EHOSTUNREACH, UV_ENETUNREACH, UV_ETIMEDOUT: .unreachable
    case UV_EADDRINUSE: .addressInUse
    case UV_EADDRNOTAVAIL, UV_ENAMETOOLONG, UV_ENOTDIR, UV_EAFNOSUPPORT: .badAddress
    case UV_ECONNRESET, UV_EPIPE, UV_ECONNABORTED, UV_ENOTCONN: .broken
    case UV_EACCES, UV_EPERM: .notPermitted
    case UV_EMFILE, UV_ENFILE, UV_ENOMEM, UV_ENOBUFS: .exhausted
    default: .system
    }
  }
}

extension TransportError {
  /// What anything fails with that is asked of a loop after its end.
  static func loopEnded(_ what: String) -> TransportError {
    TransportError(.shutDown, "\(what): the loop was shut down")
  }
}
