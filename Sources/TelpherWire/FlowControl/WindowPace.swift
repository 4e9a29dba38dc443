/// Decides from the pace at which a consumer takes bytes whether a window is too small for the
/// connection's round trip. All times are in nanoseconds.
///
/// A sender that waits for credit sends one window per round trip, so its consumer takes half a
/// window within one. Then the window becomes four times as large; up to two round trips, twice.
/// The window ends up at most eight times as large as the bandwidth-delay product of this consumer.
/// A consumer that does not take the bytes never gets more.
enum WindowPace {
  /// What to do with a window.
  enum Change: Equatable {
    /// Leave it.
    case keep
    /// Enlarge it to that many bytes, as far as memory allows.
    case grow(to: UInt64)
    /// Make it smaller by half of what it has grown.
    case shrink
  }

  /// The round trips within which half a window is taken if the window is to grow. Two, as other
  /// protocols use it: the measured time varies, and a sender that waits must always be recognized.
  static let growBelow: Double = 2
  /// The round trips within which half a window is taken if the window is to become four times as
  /// large, so that a long link is full after a few of them.
  static let growFastBelow: Double = 1
  /// The round trips after which half a window is taken if the window is to shrink: the rate has
  /// fallen to a quarter of what would make it grow.
  static let shrinkAbove: Double = 8
  /// The shortest time for half a window that makes it shrink: a short pause does not.
  static let shortestLull: UInt64 = 2_000_000_000
  /// The time in which less than half a window is taken if the window is to give back all that it
  /// has grown. It is many round trips, and shorter than the time between two keep-alive PINGs.
  static let idleAfter: UInt64 = 10_000_000_000
  /// The shortest round trip for which windows grow. Below, the initial ones suffice for 1 GB/s, and
  /// larger ones only waste the processor's caches: a busy peer on the same machine sends 2 GB/s. A
  /// window that has grown because its machine was busy shrinks again.
  static let shortestRoundTrip: UInt64 = 1_000_000

  /// The change of a window of `size` bytes, of which `count` bytes, at least half, were taken in
  /// `time`.
  ///
  /// - Parameter learned: the size that windows of this connection lately grew to, or 0. A window
  ///   that grows takes it over at once.
  static func change(
    size: UInt64, taken count: UInt64, in time: UInt64, roundTrip: UInt64, learned: UInt64
  ) -> Change {
    guard roundTrip >= shortestRoundTrip, count > 0 else { return .shrink }
    let forHalf = Double(time) * Double(size) / 2 / Double(count)
    let roundTrips = forHalf / Double(roundTrip)
    if roundTrips <= growBelow {
      let factor: UInt64 = roundTrips <= growFastBelow ? 4 : 2
      let (larger, overflow) = size.multipliedReportingOverflow(by: factor)
      return .grow(to: max(overflow ? .max : larger, learned))
    }
    return roundTrips > shrinkAbove && forHalf > Double(shortestLull) ? .shrink : .keep
  }
}

/// The size that a connection's windows have grown to. New streams start with it, so they need not
/// learn the distance again. It halves with each `halfLife` without use. Times are in nanoseconds.
struct LearnedWindow: Sendable {
  /// The time without use after which the size halves: longer than the pauses between the requests
  /// of a person or a program. Nothing is reserved for it meanwhile.
  static let halfLife: UInt64 = 60_000_000_000

  private var size: UInt64 = 0
  private var usedAt: UInt64 = 0

  /// The size in bytes at `now`; 0 if none was learned.
  func value(at now: UInt64) -> UInt64 {
    let halvings = now > usedAt ? (now - usedAt) / Self.halfLife : 0
    return halvings < 64 ? size >> halvings : 0
  }

  /// A window of `size` bytes was used up at `now`.
  mutating func use(_ size: UInt64, at now: UInt64) {
    self.size = max(value(at: now), size)
    usedAt = now
  }
}
