/// Decides by how much a connection's window grows for bytes that were not taken, so that streams
/// whose consumers stall do not use up the credit of the others. All numbers are bytes.
///
/// The window always has room for three quarters of its initial size beyond what is not taken. New
/// credit is granted after half of that size at the latest, so at least a quarter is always open to
/// streams whose consumers take their bytes.
struct UnreadCover: Sendable, Equatable {
  /// The most bytes by which the window grows.
  let limit: UInt64
  /// The bytes that need no growth, a quarter of the connection's initial window: what consumers
  /// normally have not taken yet.
  private let free: UInt64
  /// The window grows in steps of this many bytes, and not for each frame.
  private let step: UInt64
  /// The bytes by which the window has grown.
  private(set) var used: UInt64 = 0

  /// Nothing yet, for a connection with an initial window of `window` bytes.
  init(window: UInt64, limit: UInt64) {
    self.limit = limit
    free = window / 4
    step = max(window / 16, 1)
  }

  /// What `used` should be.
  ///
  /// - Parameters:
  ///   - unread: the bytes of all streams that have arrived and were not taken.
  ///   - growth: the bytes by which the connection's window has grown for its channels.
  /// - Returns: nil if it may stay as it is.
  func wanted(unread: UInt64, growth: UInt64) -> UInt64? {
    let free = free + growth
    guard unread > free || used > 0 else { return nil }
    let needed = unread > free ? unread - free : 0
    let rounded = min(needed / step * step + (needed % step == 0 ? 0 : step), limit)
    // Shrink only when the difference is large, so that the window does not change with each frame.
    return rounded > used || rounded + 2 * step < used || (rounded == 0 && used > 0)
      ? rounded : nil
  }

  /// The window has grown or shrunk for unread bytes: `used` is now `count`.
  mutating func set(_ count: UInt64) { used = count }
}
