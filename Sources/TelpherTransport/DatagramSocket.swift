/// A UDP socket (udp(7)). It exchanges whole datagrams with any address; each datagram may be lost.
///
/// It receives from the moment it is open. Use it only on its loop's thread. The callbacks come on
/// that thread, and never from within a call of a method here.
public protocol DatagramSocket: AnyObject {
  /// The address where it receives, with the actual port if port 0 was requested.
  var address: DatagramAddress { get }

  /// Sends `payload`, which may be empty, as one datagram. If the system accepts no more at the
  /// moment, the datagram waits in a queue of at most `DatagramLimits.queuedBytes`.
  ///
  /// UDP does not report whether a datagram was received. After `close()` this does nothing.
  ///
  /// - Throws: `TransportError`: `tooLong` if the payload has more than
  ///   `DatagramLimits.payloadBytes`; `exhausted` if the queue is full (the datagram is lost, as
  ///   any may be); `badAddress`, or the system's error for the address.
  func send(_ payload: Chunk, to address: DatagramAddress) throws(TransportError)

  /// Closes the socket and drops queued datagrams. No callback follows. Does nothing if closed.
  func close()
}

/// The limits of datagrams.
package enum DatagramLimits {
  /// The most bytes in one datagram: an IPv4 packet has at most 65,535, of which its header takes
  /// 20 and UDP's 8 (RFC 768, RFC 791). The same limit applies with IPv6.
  package static let payloadBytes = 65_507
  /// The most bytes that a socket queues until the system accepts them: enough for some datagrams
  /// of the largest size, and little memory.
  package static let queuedBytes = 1 << 20
}

extension TransportError {
  /// The error for a datagram of `count` bytes, which is too many.
  public static func datagramTooLong(_ count: Int, to address: DatagramAddress) -> TransportError {
    TransportError(
      .tooLong,
      "send to \(address): a datagram carries at most \(DatagramLimits.payloadBytes) bytes, not \(count)"
    )
  }
}
