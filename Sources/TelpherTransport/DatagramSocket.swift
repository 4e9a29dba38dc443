/// A UDP socket (udp(7)): whole datagrams, from anybody and to anybody, each of which may be lost.
///
/// It receives from the moment it is open. On its loop's thread only; callbacks come on that thread
/// and never from within a call of a method here.
public protocol DatagramSocket: AnyObject {
  /// Where it receives, with the real port where port 0 was asked for.
  var address: DatagramAddress { get }

  /// Sends `payload`, which may be empty, as one datagram. Where the system takes no more at the
  /// moment it waits in a queue of at most `DatagramLimits.queuedBytes`.
  ///
  /// That nobody receives there is no error: nothing tells. Nor does anything happen once closed.
  ///
  /// - Throws: `TransportError`: `tooLong` where the payload has more than
  ///   `DatagramLimits.payloadBytes`, `exhausted` where the queue is full (the datagram is lost, as
  ///   any may be), `badAddress` or what the system says of the address.
  func send(_ payload: Chunk, to address: DatagramAddress) throws(TransportError)

  /// Closes the socket and drops what is queued. No callback follows. Harmless when closed.
  func close()
}

/// The limits of datagrams.
public enum DatagramLimits {
  /// The most bytes that one datagram carries: an IPv4 packet has 65,535, of which its header takes
  /// 20 and UDP's 8 (RFC 768, RFC 791). The same is used with IPv6.
  public static let payloadBytes = 65_507
  /// The most bytes that wait in a socket until the system takes them: enough for some datagrams of
  /// the largest size, and no memory to speak of.
  public static let queuedBytes = 1 << 20
}

extension TransportError {
  /// What a datagram of too many bytes is refused with.
  public static func datagramTooLong(_ count: Int, to address: DatagramAddress) -> TransportError {
    TransportError(
      .tooLong,
      "send to \(address): a datagram has at most \(DatagramLimits.payloadBytes) bytes, not \(count)"
    )
  }
}
