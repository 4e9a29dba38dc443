/// The peer's credit on one channel or on the connection (docs/PROTOCOL.md, "Flow control"). New
/// credit is granted only for bytes that the consumer took, so a slow consumer stops the sender and
/// memory does not grow.
struct ReceiveWindow: Sendable, Equatable {
  /// Marks when a number of bytes had been taken, to measure the consumer's pace.
  private struct Mark: Sendable, Equatable {
    /// The time in nanoseconds.
    var time: UInt64
    /// `consumed` at that time.
    var consumed: UInt64
  }

  /// The credit in bytes when the consumer has taken everything.
  private(set) var size: UInt64
  /// The part of `size` that comes from `WindowGrowth`, in bytes.
  private(set) var growth: UInt64 = 0
  /// The part of `size` that does not, in bytes.
  var initial: UInt64 { size - growth }
  /// The offset up to which the peer may send.
  private(set) var limit: UInt64
  /// The number of bytes that arrived.
  private(set) var received: UInt64 = 0
  /// The number of bytes that the consumer took.
  private(set) var consumed: UInt64 = 0
  /// The most bytes that are taken between two grants. A grown window grants in small steps, so that
  /// nearly all of it is in use.
  private let mostPerGrant: UInt64
  private var mark: Mark?
  /// `consumed` at the last call of `rest`.
  private var consumedBeforeRest: UInt64?

  /// The least that `mostPerGrant` is, in bytes: few grants per second, even at a high rate.
  static let longStep: UInt64 = 1 << 20

  /// A window that starts with a credit of `size` bytes.
  ///
  /// - Parameter longStep: the least that `mostPerGrant` is, in bytes.
  init(size: UInt64, longStep: UInt64 = Self.longStep) {
    self.size = size
    limit = size
    mostPerGrant = max(size / 2, longStep)
  }

  /// Enlarges the window. The peer learns of it with the next grant.
  mutating func grow(to newSize: UInt64) {
    size = max(size, newSize)
  }

  /// Enlarges the window by `count` bytes of `WindowGrowth`.
  mutating func extend(by count: UInt64) {
    growth += count
    size += count
  }

  /// Lets the peer send up to the offset `offset`, whatever the window's size. A window that is
  /// smaller grants no more before the peer has used up the difference.
  mutating func promise(_ offset: UInt64) { limit = max(limit, offset) }

  /// Whether the peer has more credit than the size of the window allows, because the window has
  /// become smaller.
  var exceedsSize: Bool { limit > consumed + size }

  /// Makes the window smaller by `count` bytes of `WindowGrowth`. The peer keeps the credit that it
  /// has; it gets no more until it has used up the difference.
  mutating func reduce(by count: UInt64) {
    precondition(count <= growth, "a window shrinks by what it has grown")
    growth -= count
    size -= count
  }

  /// The number of bytes that arrived and were not taken.
  var pending: UInt64 { received - consumed }

  /// The bytes that the peer may still send and those that were not taken, in all.
  var outstanding: UInt64 { limit - consumed }

  /// Counts `count` bytes that a frame carries. Throws if they exceed the credit.
  mutating func receive(_ count: UInt64) throws(WireError) {
    let (sum, overflow) = received.addingReportingOverflow(count)
    guard !overflow, sum <= limit else {
      throw WireError(
        .flowControl, "\(count) bytes were sent with a credit of \(limit - received)")
    }
    received = sum
  }

  // MARK: Granting

  /// Counts `count` bytes that the consumer took.
  mutating func take(_ count: UInt64) {
    precondition(count <= pending, "only what arrived can be taken")
    consumed += count
  }

  /// Whether so much was taken that new credit is to be granted: half of the window, or the longest
  /// step. Fewer grants would stall a fast sender; more would cost frames.
  var isGrantDue: Bool {
    let step = max(min(size / 2, mostPerGrant), 1)
    return consumed + size >= limit + step && consumed + size <= WireConstants.maxOffset
  }

  /// Grants credit up to the window's size.
  ///
  /// - Returns: the offset to send in a WINDOW frame.
  mutating func grant() -> UInt64 {
    limit = max(limit, consumed + size)
    return limit
  }

  /// Counts `count` bytes that the consumer took.
  ///
  /// - Returns: the offset to grant in a WINDOW frame if new credit is due; else nil.
  mutating func consume(_ count: UInt64) -> UInt64? {
    take(count)
    return isGrantDue ? grant() : nil
  }

  // MARK: The consumer's pace

  /// Starts the measurement at the first byte, at `now` nanoseconds.
  mutating func didBegin(at now: UInt64) {
    if mark == nil { mark = Mark(time: now, consumed: consumed) }
  }

  /// Measures the time in which at least half a window was taken, and starts again.
  ///
  /// - Parameter enough: the bytes that suffice if half a window is more.
  /// - Returns: the bytes taken and the time in nanoseconds; nil if less was taken so far.
  mutating func takePace(
    at now: UInt64, enough: UInt64 = .max
  ) -> (count: UInt64, time: UInt64)? {
    guard let mark else { return nil }
    let count = consumed - mark.consumed
    guard count >= min(max(size / 2, 1), enough) else { return nil }
    self.mark = Mark(time: now, consumed: consumed)
    return (count, now > mark.time ? now - mark.time : 0)
  }

  /// Whether less than half a window was taken since the last call. False at the first call.
  mutating func rest() -> Bool {
    defer { consumedBeforeRest = consumed }
    return consumedBeforeRest.map { consumed - $0 < max(size / 2, 1) } ?? false
  }
}
