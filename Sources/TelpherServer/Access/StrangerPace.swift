/// Limits how fast one listener accepts strangers: connections that must authenticate.
///
/// Clients that connect without pause and never authenticate would otherwise use up the loop's time,
/// although each of them has only a moment. An honest client costs nothing here, because a
/// connection that authenticates is not counted.
struct StrangerPace {
  /// How many strangers may connect at once after a quiet time.
  private static let burst: Int64 = 256
  /// The time for which one stranger counts, in nanoseconds: 2,000 of them take a second, and about
  /// a fifth of a loop's time.
  private static let interval: Int64 = 500_000
  /// After how many intervals accepting continues. Each pause costs the loop a timer.
  private static let batch: Int64 = 16

  /// The time at which all counted connections are within the rate, in nanoseconds of the loop's
  /// clock. A token bucket (the generic cell rate algorithm) needs no other state.
  private var paidAt: Int64 = 0

  /// Counts a stranger that connects at the time `now`, in nanoseconds.
  ///
  /// - Returns: how long to accept no others, in nanoseconds; nil if no pause is needed.
  mutating func admit(at now: UInt64) -> UInt64? {
    paidAt = max(paidAt, Int64(now)) + Self.interval
    let room = Int64(now) + Self.burst * Self.interval - paidAt
    return room >= Self.interval ? nil : UInt64(Self.batch * Self.interval)
  }

  /// Takes back the count of a stranger that has authenticated.
  mutating func didAuthenticate() { paidAt -= Self.interval }
}
