/// What the peer may still send on one channel, or on the connection: it is granted anew only for
/// bytes that the consumer took, so a slow consumer stops the sender and no memory grows.
struct ReceiveWindow: Sendable, Equatable {
  /// The credit that stands open when the consumer has taken everything.
  private(set) var size: UInt64
  /// The offset that was granted to the peer.
  private(set) var limit: UInt64
  /// Bytes that arrived.
  private(set) var received: UInt64 = 0
  /// Bytes that the consumer took.
  private(set) var consumed: UInt64 = 0

  /// A window whose peer knows of a credit of `limit` bytes, and of `size` once it has moved.
  init(limit: UInt64, size: UInt64) {
    self.size = size
    self.limit = limit
  }

  init(size: UInt64) {
    self.init(limit: size, size: size)
  }

  /// Makes the window larger; the peer learns of it with the next grant.
  mutating func grow(to newSize: UInt64) {
    size = max(size, newSize)
  }

  /// Bytes that arrived and were not taken.
  var pending: UInt64 { received - consumed }

  /// Counts `count` bytes that a frame brings.
  mutating func receive(_ count: UInt64) throws(WireError) {
    let (sum, overflow) = received.addingReportingOverflow(count)
    guard !overflow, sum <= limit else {
      throw WireError(
        .flowControl, "\(count) bytes were sent with a credit of \(limit - received)")
    }
    received = sum
  }

  /// Counts `count` bytes that the consumer took.
  ///
  /// - Returns: the offset to grant in a WINDOW frame, once half of the window has been taken: less
  ///   often would stop a fast sender, more often costs frames.
  mutating func consume(_ count: UInt64) -> UInt64? {
    precondition(count <= pending, "only what arrived can be taken")
    consumed += count
    let wanted = consumed + size
    guard wanted >= limit + max(size / 2, 1), wanted <= WireConstants.maxOffset else { return nil }
    limit = wanted
    return wanted
  }
}
