internal import Glibc

/// What a connected Unix socket holds for its reader: unix(7), socket(7).
package enum UnixSocketBuffer {
  /// Bytes to send that the system may hold, of which it makes twice as many to count what it needs
  /// itself; it gives no more than net.core.wmem_max. A frame of 256 KiB fits, where the usual buffer
  /// takes most of one, and the sender stands still until three quarters of that were read.
  static let size: Int32 = 256 * 1024

  /// Has the socket `descriptor` hold as much, where it holds less. Where that fails it is only
  /// slower.
  package static func enlarge(_ descriptor: Int32) {
    var size: Int32 = 0
    var length = socklen_t(MemoryLayout.size(ofValue: size))
    guard getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0, size < 2 * Self.size
    else { return }
    size = Self.size
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, length)
  }
}
