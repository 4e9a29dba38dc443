/// What this side may still send on one channel, or on the connection (docs/PROTOCOL.md, "Flow
/// control"). Offsets count payload bytes of DATA since the start.
struct SendWindow: Sendable, Equatable {
  /// Bytes sent so far.
  private(set) var sent: UInt64 = 0
  /// The offset up to which the peer allows sending.
  private(set) var limit: UInt64

  init(limit: UInt64) {
    self.limit = limit
  }

  /// Bytes that may go now.
  var credit: UInt64 { limit - sent }

  /// Counts `count` bytes, for which there must be credit.
  mutating func didSend(_ count: UInt64) {
    precondition(count <= credit, "whoever sends asks for the credit first")
    sent += count
  }

  /// Takes the peer's new limit.
  mutating func raise(to newLimit: UInt64) throws(WireError) {
    guard newLimit >= limit else {
      throw WireError(.flowControl, "a window fell from \(limit) to \(newLimit)")
    }
    guard newLimit <= WireConstants.maxOffset else {
      throw WireError(.flowControl, "a window of \(newLimit) is past the highest offset")
    }
    limit = newLimit
  }
}
