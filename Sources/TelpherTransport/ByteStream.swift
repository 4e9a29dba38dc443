/// A connection or one end of a child's pipe: an ordered sequence of bytes in one or both
/// directions.
///
/// It starts paused: set the callbacks, then call `resumeReading()`. Use it only on its loop's
/// thread. The callbacks come on that thread, and never from within a call of a method here.
public protocol ByteStream: AnyObject {
  /// Called with each piece that was read. It may pause or close the stream.
  var onRead: ((Chunk) -> Void)? { get set }

  /// Called once when reading has ended: with nil if the peer ended its side in order, else with
  /// the error that broke the stream. After an orderly end writing may still work (half-close).
  var onEnd: ((TransportError?) -> Void)? { get set }

  /// Called once all queued bytes have been written, after a `write` that returned false.
  var onWritable: (() -> Void)? { get set }

  /// Called once when writing has failed for good (the peer is gone, the pipe has no reader).
  /// Queued bytes and later writes are dropped; reading continues.
  var onWriteFailure: ((TransportError) -> Void)? { get set }

  /// The most bytes that the next read may return (default: no limit). Set it to the remaining
  /// credit, so that bytes without credit stay in the kernel.
  var readLimit: Int { get set }

  /// Starts or continues reading. Does nothing if the stream is reading already, or after the end.
  func resumeReading()

  /// Pauses reading at once: no `onRead` follows before `resumeReading()`.
  func pauseReading()

  /// Writes the bytes of `head` and then those of `body`, in one system call if possible. `head` (a
  /// frame's header) is copied only if it can't be written at once, `body` never.
  ///
  /// - Returns: true if all bytes were handed to the system; false if some are queued, and
  ///   `onWritable` follows. More may be written meanwhile and is queued after them. The queue has
  ///   no limit, so the caller should wait.
  @discardableResult
  func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool

  /// The number of queued bytes.
  var queuedBytes: Int { get }

  /// Ends the writing side after the queued bytes (half-close). Nothing may be written after this
  /// call.
  func finishWriting()

  /// The number of bytes in the kernel that have arrived and were not read yet; 0 if unknown.
  var unreadBytes: Int { get }

  /// Whether a process may still write to this stream: false once all writers of a pipe have closed
  /// it, even if some bytes are unread; true if unknown.
  var hasWriters: Bool { get }

  /// Whether the peer's system has acknowledged all sent bytes, or any bytes within the last
  /// `nanoseconds`. It is false if the peer's machine or the network between is down. It is always
  /// true for streams that stay on this machine: there the system itself ends the connection of a
  /// process that has ended.
  func isAcknowledged(within nanoseconds: UInt64) -> Bool

  /// Closes both sides at once and drops queued bytes. No callback follows. Does nothing if closed.
  func close()

  /// Sets whether `close()` resets a TCP connection, so that the peer sees an error instead of an
  /// orderly end. Use it for data that the peer must not mistake for complete: the system resets the
  /// connection also if this process dies. Other streams are not affected. Does nothing after
  /// `close()`.
  func setResetsOnClose(_ resets: Bool)

  /// The peer's identity, as the system reports it.
  var peer: PeerIdentity { get }

  /// The ports of an open TCP connection; nil for other streams.
  var tcpPorts: TCPPorts? { get }
}

extension ByteStream {
  public func isAcknowledged(within nanoseconds: UInt64) -> Bool { true }
}
