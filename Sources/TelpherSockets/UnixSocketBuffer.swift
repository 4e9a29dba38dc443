internal import Glibc

/// The send buffer of a connected Unix socket: unix(7), socket(7).
package enum UnixSocketBuffer {
  /// The buffer size to request in bytes. The kernel doubles it to account for its own overhead,
  /// and allows at most net.core.wmem_max.
  ///
  /// A frame of 256 KiB fits into it. The default buffer is a little smaller than such a frame, and
  /// the sender then blocks until the peer has read three quarters of the buffer.
  static let size: Int32 = 256 * 1024

  /// Enlarges the buffer of the socket `descriptor` if it is smaller. A failure is ignored: it only
  /// makes the connection slower.
  package static func enlarge(_ descriptor: Int32) {
    var size: Int32 = 0
    var length = socklen_t(MemoryLayout.size(ofValue: size))
    guard getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0, size < 2 * Self.size
    else { return }
    size = Self.size
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, length)
  }
}
