/// The peer's credit on one channel or on the connection (docs/PROTOCOL.md, "Flow control"). New
/// credit is granted only for bytes that the consumer took, so a slow consumer stops the sender and
/// memory does not grow.
struct ReceiveWindow: Sendable, Equatable {
  /// The credit in bytes when the consumer has taken everything.
  private(set) var size: UInt64
  /// The offset up to which the peer may send.
  private(set) var limit: UInt64
  /// The number of bytes that arrived.
  private(set) var received: UInt64 = 0
  /// The number of bytes that the consumer took.
  private(set) var consumed: UInt64 = 0

  /// A window that starts with a credit of `limit` bytes and grants `size` bytes from its first
  /// grant on.
  init(limit: UInt64, size: UInt64) {
    self.size = size
    self.limit = limit
  }

  init(size: UInt64) {
    self.init(limit: size, size: size)
  }

  /// Enlarges the window. The peer learns of it with the next grant.
  mutating func grow(to newSize: UInt64) {
    size = max(size, newSize)
  }

  /// The number of bytes that arrived and were not taken.
  var pending: UInt64 { received - consumed }

  /// Counts `count` bytes that a frame carries. Throws if they exceed the credit.
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
  /// - Returns: the offset to grant in a WINDOW frame, once half of the window has been taken; else
  ///   nil. Fewer grants would stall a fast sender; more would cost frames.
  mutating func consume(_ count: UInt64) -> UInt64? {
    precondition(count <= pending, "only what arrived can be taken")
    consumed += count
    let wanted = consumed + size
    guard wanted >= limit + max(size / 2, 1), wanted <= WireConstants.maxOffset else { return nil }
    limit = wanted
    return wanted
  }
}
