/// A connection, or an end of a child's pipe: bytes in order, both ways or one way.
///
/// It starts paused: set the callbacks, then `resumeReading()`. On its loop's thread only; callbacks
/// come on that thread and never from within a call of a method here.
public protocol ByteStream: AnyObject {
  /// Receives each piece that was read, as it came. It may pause or close the stream.
  var onRead: ((Chunk) -> Void)? { get set }

  /// Called once when no more will be read: with nil at the orderly end of the peer's bytes, else
  /// with what broke the stream. Writing may still work after an orderly end (half-close).
  var onEnd: ((TransportError?) -> Void)? { get set }

  /// Called after a `write` that returned false, each time all queued bytes have gone.
  var onWritable: (() -> Void)? { get set }

  /// Called once when writing failed for good (the peer is gone, the pipe has no reader). What was
  /// queued is dropped, later writes are too; reading goes on.
  var onWriteFailure: ((TransportError) -> Void)? { get set }

  /// The most bytes the next read may bring (default: no limit). Set it to the credit that is left,
  /// so that bytes nobody has room for stay in the kernel.
  var readLimit: Int { get set }

  /// Lets reads come. Harmless when they do already, or after the end.
  func resumeReading()

  /// Keeps reads from coming, from now on: no `onRead` follows before `resumeReading()`.
  func pauseReading()

  /// Writes the bytes of `head` and then those of `body`, in one system call where the system takes
  /// them: `head` (a frame's header) is copied only if it does not go out at once, `body` never.
  ///
  /// - Returns: true when all of it has been handed to the system; false when some is queued, and
  ///   `onWritable` follows. More may be written meanwhile; it is queued behind, without bound: the
  ///   caller waits instead.
  @discardableResult
  func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool

  /// The number of bytes that are queued.
  var queuedBytes: Int { get }

  /// Ends the writing side behind what is queued (half-close). Nothing may be written after it.
  func finishWriting()

  /// The bytes that have arrived in the kernel and were not read yet; 0 where that can't be told.
  var unreadBytes: Int { get }

  /// Whether anybody may still write what is read here: false once all writers of a pipe have closed
  /// it, although bytes of theirs may be unread; true where that can't be told.
  var hasWriters: Bool { get }

  /// Whether the peer's system has acknowledged all that was sent, or anything in the last
  /// `nanoseconds`: false where the peer's machine or the way to it is gone. True for what stays on
  /// this machine, where the system itself ends the connection of a process that has ended.
  func isAcknowledged(within nanoseconds: UInt64) -> Bool

  /// Closes both sides at once and drops what is queued. No callback follows. Harmless when closed.
  func close()

  /// Has `close()` reset a TCP connection, so that the peer meets an error instead of an orderly end:
  /// for what must not be taken for whole. Other streams close as ever.
  func resetOnClose()

  /// Who is at the other end, as far as the system knows.
  var peer: PeerIdentity { get }

  /// The ports of a TCP connection that is open; nil for every other stream.
  var tcpPorts: TCPPorts? { get }
}

extension ByteStream {
  public func isAcknowledged(within nanoseconds: UInt64) -> Bool { true }
}
