internal import Glibc

/// Ends a connection with a reset, so that the peer sees a failure and not a normal end.
package enum SocketReset {
  /// Sets whether close(2), and the end of this process, reset the connection of the TCP socket
  /// `descriptor`: SO_LINGER with a time of 0, tcp(7). A Unix socket still closes normally.
  package static func set(_ resets: Bool, onCloseOf descriptor: Int32) {
    var value = linger(l_onoff: resets ? 1 : 0, l_linger: 0)
    // If this fails, the connection has ended already.
    setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
  }
}
