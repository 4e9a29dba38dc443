/// Decides when a relay ends: some time after its last use, or when it was asked to end and its
/// clients are gone. Times are in nanoseconds of any steady clock.
///
///     serving ──asked to end, server lost──▸ draining ──no clients──▸ over
///        └──────────────not used for long enough─────────────────────▴
struct RelayLife {
  /// The phases, in order.
  enum Phase {
    /// Clients may come. Next: `draining`, `over`.
    case serving
    /// No further clients are accepted. Next: `over`.
    case draining
    /// The relay ends. Final.
    case over
  }

  /// What to do after an input.
  enum Action: Equatable {
    /// Nothing.
    case wait
    /// Call `check(at:)` after this time, unless a client arrives before.
    case check(after: UInt64)
    /// End the relay.
    case end
  }

  private(set) var phase = Phase.serving
  /// The number of clients.
  private(set) var clients = 0
  /// How long the relay lives after a use.
  private var keep: UInt64
  /// When the relay ends if no client uses it before.
  private var expiry: UInt64

  /// A relay without clients at `now`, which lives for `keep` without a use.
  init(keep: UInt64, at now: UInt64) {
    self.keep = keep
    expiry = Self.sum(now, keep)
  }

  private static func sum(_ now: UInt64, _ time: UInt64) -> UInt64 {
    let (sum, overflow) = now.addingReportingOverflow(time)
    return overflow ? .max : sum
  }

  /// The time until the end if no client comes; nil while there are clients.
  func left(at now: UInt64) -> UInt64? {
    guard clients == 0 else { return nil }
    return expiry > now ? expiry - now : 0
  }

  /// A client has arrived. Only while `serving`.
  mutating func clientDidArrive() { clients += 1 }

  /// A client is gone.
  ///
  /// - Parameters:
  ///   - wasUsed: whether it has used the server. A client that only looks does not prolong the
  ///     relay's life.
  ///   - keep: how long it wants the relay to live after it; nil for no wish.
  mutating func clientDidLeave(wasUsed: Bool, keep wanted: UInt64?, at now: UInt64) -> Action {
    precondition(clients > 0, "only a client that has arrived leaves")
    clients -= 1
    if wasUsed {
      keep = wanted ?? keep
      expiry = Self.sum(now, keep)
    }
    return check(at: now)
  }

  /// No further clients are accepted.
  mutating func drain(at now: UInt64) -> Action {
    if phase == .serving { phase = .draining }
    return check(at: now)
  }

  /// Decides again.
  mutating func check(at now: UInt64) -> Action {
    guard clients == 0 else { return .wait }
    switch phase {
    case .serving where expiry == .max: return .wait
    case .serving where now < expiry: return .check(after: expiry - now)
    case .serving, .draining:
      phase = .over
      return .end
    case .over: return .wait
    }
  }
}
