/// This side's credit on one channel or on the connection (docs/PROTOCOL.md, "Flow control").
/// Offsets count the payload bytes of DATA since the start.
struct SendWindow: Sendable, Equatable {
  /// The number of bytes sent.
  private(set) var sent: UInt64 = 0
  /// The offset up to which the peer allows sending.
  private(set) var limit: UInt64

  init(limit: UInt64) {
    self.limit = limit
  }

  /// The number of bytes that may be sent now.
  var credit: UInt64 { limit - sent }

  /// Counts `count` sent bytes. They must not exceed `credit`.
  mutating func didSend(_ count: UInt64) {
    precondition(count <= credit, "a caller sends no more than the credit")
    sent += count
  }

  /// Sets the limit that the peer granted. Throws if it is lower than the current one or above
  /// `WireConstants.maxOffset`.
  mutating func raise(to newLimit: UInt64) throws(WireError) {
    guard newLimit >= limit else {
      throw WireError(.flowControl, "a window fell from \(limit) to \(newLimit)")
    }
    guard newLimit <= WireConstants.maxOffset else {
      throw WireError(.flowControl, "a window of \(newLimit) is above the highest offset")
    }
    limit = newLimit
  }
}
