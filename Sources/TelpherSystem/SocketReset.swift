internal import Glibc

/// The end of a connection that its peer is to take for a failure.
package enum SocketReset {
  /// Has close(2) reset the connection of the TCP socket `descriptor`: SO_LINGER with a time of 0,
  /// tcp(7). A Unix socket closes as ever.
  package static func onClose(of descriptor: Int32) {
    var value = linger(l_onoff: 1, l_linger: 0)
    // Where it fails the connection has ended already.
    setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
  }
}
