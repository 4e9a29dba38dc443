package import TelpherWire

/// The limits and times of one connection that HELLO does not carry. All times are in nanoseconds.
public struct LinkConfiguration: Sendable {
  /// The silence after which this side sends a keep-alive PING.
  public var pingAfter: UInt64 = 15_000_000_000
  /// The silence after which a peer is lost if its system does not acknowledge sent data either:
  /// three unanswered PINGs.
  public var lostAfter: UInt64 = 45_000_000_000
  /// The silence after which a peer is lost even if its system still acknowledges data, as for a
  /// stopped process; nil for never. A peer that is only slow still answers PINGs, because they
  /// bypass flow control.
  public var stoppedAfter: UInt64?
  /// The same limit until the peer's HELLO has arrived; nil for `stoppedAfter`. A program such as ssh
  /// may first ask for a password.
  public var stoppedBeforeHelloAfter: UInt64?
  /// The time limit for the server's whole HELLO, and for its proof if one is required. Without it
  /// a server that sends one byte now and then could hold its client forever, since it is never
  /// silent. It is three times the limit that a server gives its clients.
  public var openingLimit: UInt64 = 15_000_000_000
  /// Whether `openingLimit` starts with the server's first byte instead of with the connection: ssh
  /// may first ask for a passphrase.
  public var openingBeginsWithFirstByte = false
  /// How long an ended connection waits for the peer to close: long enough for the peer to read a
  /// GOAWAY, short enough that ended connections do not pile up.
  public var lingerFor: UInt64 = 2_000_000_000
  /// The most bytes of answers (PONG, WINDOW, CLOSE) that may be queued for a peer that doesn't
  /// read. Beyond that, this side stops reading from it.
  public var maxQueuedAnswers = 1 << 20
  /// The most work that the frames of one connection may cause per turn of the loop. An OPEN,
  /// CONTROL or RESET counts 16, with 1 more for each 16 bytes of an OPEN, and any other event 1: so
  /// 40 short OPENs, for which a server needs less than a millisecond. Further frames wait for the
  /// next turn.
  public var workPerTurn = 1_024
  /// The most bytes that a channel sends per turn while others wait.
  public var quantum = 64 * 1024
  /// Payloads of up to this many bytes are copied and written together with other small frames: the
  /// copy costs less than a system call.
  public var gatherUpTo = 512

  /// The shared memory budget for OPENs longer than `WireConstants.maxShortOpenLength`; nil for no
  /// limit. All connections of a server share one.
  package var openRoom: (any OpenRoom)?

  /// The initial window in bytes of each channel for input that nothing may read: what the clients
  /// of a server or a relay send. It is so small that even if 1,024 commands (the most on one
  /// connection) do not read, other commands still get credit. While fewer run, a command gets 256
  /// KiB at its start, and 1 MiB once it has read a whole window.
  package static let inputWindow: UInt64 = 64 << 10
  /// The initial window in bytes of a whole connection for such input. It grows by what is left
  /// unread, up to `unreadGrowth`.
  package static let inputConnectionWindow: UInt64 = 4 << 20

  /// The most bytes by which the windows of one connection may grow together if the round trip is
  /// long and their consumers are fast, or if bytes are not taken; 0 to keep the sizes of HELLO. 128
  /// MiB, half of the budget of the process, fill a link of 1 GB/s with a round trip of 100 ms.
  public var windowGrowth: UInt64 = 128 << 20
  /// The most bytes, of those, by which the connection's window grows for bytes that are not taken,
  /// so that they do not use up the credit of other streams.
  public var unreadGrowth: UInt64 = 128 << 20
  /// The memory for grown windows that all connections of this process share; nil for no limit.
  package var windowBudget: (any WindowBudget)? = SharedWindowBudget.process

  /// The defaults.
  public init() {}
}
