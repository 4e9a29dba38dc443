/// Measures the round trip of a connection with PINGs. All times are in nanoseconds of any steady
/// clock.
///
/// It keeps the shortest time of the connection's life: an answer may be queued behind data, so
/// most measurements of a busy peer are too long.
struct RoundTrip: Sendable {
  /// The number in these PINGs. Keep-alive PINGs have 0.
  static let number: UInt64 = .max
  /// The time between two PINGs of a connection that carries much data.
  static let interval: UInt64 = 200_000_000
  /// The bytes that arrive before the first PING. A connection that only runs short commands sends
  /// none.
  static let firstAfter: UInt64 = 16 << 10

  /// The state of the measurement.
  private enum State {
    /// No PING was sent yet. Next: `asked`.
    case unknown
    /// A PING was sent at `since`. Next: `measured`.
    case asked(since: UInt64)
    /// The last PING, which was sent at `since`, is answered. Next: `asked`.
    case measured(since: UInt64)
  }

  /// The shortest round trip so far; nil before the first answer.
  private(set) var shortest: UInt64?
  /// The round trip is not longer than this.
  private var bound = UInt64.max
  private var state = State.unknown

  /// Whether no PING was sent yet.
  var isUnknown: Bool {
    if case .unknown = state { true } else { false }
  }

  /// Whether to send a PING at `now`, on a connection that carries much data.
  func isDue(at now: UInt64) -> Bool {
    switch state {
    case .unknown: true
    case .asked: false
    case .measured(let since): now >= since && now - since >= Self.interval
    }
  }

  /// The peer answered another request within `time`, so the round trip is at most that long.
  mutating func isAtMost(_ time: UInt64) { bound = min(bound, max(time, 1)) }

  /// A PING was sent at `now`.
  mutating func didSend(at now: UInt64) { state = .asked(since: now) }

  /// An answer arrived at `now`. One without a question is ignored.
  mutating func didReceiveAnswer(at now: UInt64) {
    guard case .asked(let since) = state else { return }
    state = .measured(since: since)
    shortest = min(shortest ?? bound, now > since ? now - since : 1)
  }
}
