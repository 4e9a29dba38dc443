/// How much each stream may read in one turn of its loop. libuv would read up to 32 buffers from one
/// before it looks at the next: some milliseconds, in which all others wait. And where many streams
/// have much to read, a turn would be long again, and whoever has a word for the loop waits for
/// several: so they share what a turn may bring.
///
/// Owned by one loop.
struct TurnShare {
  /// Bytes that a turn may bring, about.
  private static let total = 512 * 1024
  /// Bytes that one stream may read of it.
  private static let largest = 256 * 1024
  /// Less would cost more in system calls than it saves in waiting.
  private static let smallest = 64 * 1024

  /// Bytes that one stream may read in this turn.
  private(set) var size = TurnShare.largest
  /// The turn.
  private(set) var turn: UInt64 = 0
  /// Streams that have used up theirs in this turn.
  private var users = 0

  /// A stream has used up its share.
  mutating func didUseUp() { users += 1 }

  /// The turn is over. Who used up a share will want as much again.
  mutating func endTurn() {
    turn &+= 1
    size = max(Self.smallest, min(Self.largest, Self.total / max(1, users)))
    users = 0
  }
}
