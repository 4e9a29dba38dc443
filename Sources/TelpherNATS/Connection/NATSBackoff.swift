/// How long the pauses between attempts to connect are: each twice as long as the one before up to a
/// limit, and at random shorter by up to a half, so that the clients of a server that was lost do not
/// all come back at once.
struct NATSBackoff {
  private let first: UInt64
  /// The longest pause, in nanoseconds.
  let longest: UInt64
  private var following: UInt64

  init(first: Duration, longest: Duration) {
    self.first = first.nanoseconds
    self.longest = max(first, longest).nanoseconds
    following = self.first
  }

  /// The next pause in nanoseconds.
  mutating func next() -> UInt64 {
    let pause = following
    following = min(following > longest / 2 ? longest : following * 2, longest)
    return UInt64.random(in: (pause / 2)...pause)
  }

  /// The next pause is the first one again.
  mutating func reset() { following = first }
}

extension Duration {
  /// The duration in nanoseconds; 0 for a negative one, and at most 292 years.
  package var nanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let limit = UInt64(Int64.max)
    guard !overflow, product < limit - 1_000_000_000 else { return limit }
    return product + UInt64(attoseconds / 1_000_000_000)
  }
}

/// A refusal of one subject, as nats-server words it:
/// `Permissions Violation for Publish to "SUBJECT"`, `... for Subscription to "SUBJECT" ...`.
enum NATSRefusal: Equatable {
  /// This user may not publish there.
  case publish(String)
  /// This user may not subscribe to it.
  case subscription(String)

  init?(_ text: String) {
    let parts = text.split(separator: "\"", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 3 else { return nil }
    switch parts[0].lowercased() {
    case "permissions violation for publish to ": self = .publish(String(parts[1]))
    case "permissions violation for subscription to ": self = .subscription(String(parts[1]))
    default: return nil
    }
  }
}
