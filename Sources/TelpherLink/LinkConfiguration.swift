/// The limits and times of one connection that are not said in HELLO. All times in nanoseconds.
public struct LinkConfiguration: Sendable {
  /// Silence after which the peer is asked with a PING whether it is still there.
  public var pingAfter: UInt64 = 15_000_000_000
  /// Silence after which a peer counts as lost whose system does not acknowledge what is sent to it
  /// either: three unanswered PINGs.
  public var lostAfter: UInt64 = 45_000_000_000
  /// Silence after which a peer counts as lost though its system acknowledges, as that of a process
  /// that was stopped does; nil for never. A peer that is merely slow answers the PINGs, since they
  /// pass by the flow control.
  public var stoppedAfter: UInt64?
  /// The time that a server has for its whole HELLO, and for its proof if one is wanted, in
  /// nanoseconds. Without it a server that sends a byte now and then would hold its client for ever,
  /// since it is never silent. Three times what a server gives its clients.
  public var openingLimit: UInt64 = 15_000_000_000
  /// Whether that time begins with the server's first byte, not with the connection: ssh may ask for
  /// a passphrase first.
  public var openingBeginsWithFirstByte = false
  /// How long an ended connection waits for the peer's end before it is closed: long enough for a
  /// GOAWAY to be read, short enough not to pile up.
  public var lingerFor: UInt64 = 2_000_000_000
  /// Bytes of answers (PONG, WINDOW, CLOSE) that may wait for a peer that doesn't read, before
  /// nothing more is read from it.
  public var maxQueuedAnswers = 1 << 20
  /// The most a stream sends before the next one has its turn.
  public var quantum = 64 * 1024
  /// Payloads up to this many bytes are gathered with other small frames into one write: copying
  /// them costs less than a system call.
  public var gatherUpTo = 512

  /// What room there is for OPENs that are longer than `WireConstants.maxShortOpenLength`; nil for
  /// any. Shared by the connections of a server.
  public var openRoom: (any OpenRoom)?

  /// What a channel's window may grow to on a long way, in bytes; 0 keeps it at what HELLO said. For
  /// clients, who ask for what they get: a server's memory is not theirs to fill.
  public var maxWindow: UInt64 = 0

  /// The defaults.
  public init() {}
}
