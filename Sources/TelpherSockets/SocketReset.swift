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

  /// The error that broke the TCP connection `descriptor` and that no system call has reported yet, as
  /// an error number; 0 if there is none, or if it is no TCP socket. Calling it takes the error.
  package static func takeError(of descriptor: Int32) -> Int32 {
    var (protocolNumber, error): (Int32, Int32) = (0, 0)
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_PROTOCOL, &protocolNumber, &size) == 0,
      protocolNumber == Int32(IPPROTO_TCP),
      getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0
    else { return 0 }
    return error
  }
}
