/// How long a server that dials a hub waits until it dials again. A value: it knows no clock and no
/// randomness.
package struct HubPauses: Sendable {
  /// The first pause: many servers dial a hub that was restarted, and each gets there soon.
  package static let first = Duration.milliseconds(500)
  /// The longest pause: a hub that comes back after a long time is found within this time.
  package static let longest = Duration.seconds(30)
  /// The pause after a refusal. What it takes is a person, or that another server with the same name and
  /// identity ends: two of them must not replace each other all the time.
  package static let afterRefusal = Duration.seconds(60)

  /// The pause before a hub is dialed that another process has taken over: short, because its clients look
  /// for this server there.
  package static let afterReplacement = Duration.milliseconds(50)

  private var next = HubPauses.first

  /// No attempt has failed yet.
  package init() {}

  /// The name was registered.
  package mutating func didRegister() { next = Self.first }

  /// The pause after an attempt that has failed, or after the end of a registration.
  ///
  /// - Parameters:
  ///   - isRefusal: whether the hub has refused the name, or given it to another server.
  ///   - fraction: a random number from 0 to 1, so that many servers do not dial at the same moment.
  package mutating func pause(isRefusal: Bool, fraction: Double) -> Duration {
    if isRefusal { return Self.afterRefusal * (0.5 + fraction / 2) }
    defer { next = min(next * 2, Self.longest) }
    return next * (0.5 + fraction / 2)
  }
}
