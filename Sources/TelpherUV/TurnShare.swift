/// Limits how many bytes each stream may read in one turn of its loop.
///
/// By itself libuv reads up to 32 buffers from one stream before it looks at the next. That takes
/// some milliseconds, in which all other streams wait. If many streams have much to read, even
/// smaller reads add up to a long turn. So the streams that read much share one limit.
///
/// Owned by one loop.
struct TurnShare {
  /// About how many bytes all streams together may read in one turn.
  private static let total = 512 * 1024
  /// The most bytes that one stream may read in one turn.
  private static let largest = 256 * 1024
  /// The least number of bytes that one stream may read in one turn. A smaller share would cost
  /// more in system calls than it saves in waiting time.
  private static let smallest = 64 * 1024

  /// The number of bytes that one stream may read in this turn.
  private(set) var size = TurnShare.largest
  /// The number of this turn.
  private(set) var turn: UInt64 = 0
  /// How many streams have used up their share in this turn.
  private var users = 0

  /// Notes that a stream has used up its share of this turn.
  mutating func didUseUp() { users += 1 }

  /// Begins the next turn. The shares are computed as if the streams that used up their share will
  /// read as much again.
  mutating func endTurn() {
    turn &+= 1
    size = max(Self.smallest, min(Self.largest, Self.total / max(1, users)))
    users = 0
  }
}
