/// Decides when a silent peer gets a keep-alive PING, and when it is lost. All times are in
/// nanoseconds of the loop's clock.
struct PeerSilence {
  /// The state of the question whether the peer still lives.
  private enum State {
    /// The last event was input. Next: `asked`.
    case heard
    /// A PING was sent after the last input. Next: `heard`.
    case asked
  }

  /// What to do after a check.
  enum Action: Equatable {
    /// Nothing.
    case wait
    /// Send a keep-alive PING.
    case ping
    /// Give up the peer. The text is for the user.
    case giveUp(String)
  }

  /// The time of the last input.
  private(set) var lastReceived: UInt64
  private var state = State.heard

  /// A connection that was made at `now`.
  init(at now: UInt64) { lastReceived = now }

  /// Input arrived.
  mutating func didReceive(at now: UInt64) {
    lastReceived = now
    state = .heard
  }

  /// This side did not read until `now`, so the time does not count as the peer's silence.
  mutating func didPause(until now: UInt64) { lastReceived = now }

  /// Checks the peer; called from time to time.
  ///
  /// - Parameters:
  ///   - isGreeted: the peer's HELLO has arrived. No PING is sent before.
  ///   - mayBeHeard: this side reads and has read everything. What it has not read may be the answer
  ///     to a PING.
  ///   - isAcknowledged: whether the peer's system has acknowledged what was sent lately.
  mutating func check(
    at now: UInt64, _ configuration: LinkConfiguration, isGreeted: Bool, mayBeHeard: Bool,
    isAcknowledged: () -> Bool
  ) -> Action {
    let silence = now > lastReceived ? now - lastReceived : 0
    // Give up only after an unanswered PING: this process may have been the one that was suspended.
    let isAnswerDue =
      switch state {
      case .heard: !isGreeted
      case .asked: true
      }
    if isAnswerDue, mayBeHeard,
      let why = Self.whyLost(
        after: silence, configuration,
        isGreeted
          ? configuration.stoppedAfter
          : configuration.stoppedBeforeHelloAfter ?? configuration.stoppedAfter, isAcknowledged)
    {
      return .giveUp(why)
    }
    guard silence >= configuration.pingAfter, isGreeted else { return .wait }
    state = .asked
    return .ping
  }

  /// The reason to give up a peer after `silence` without input; nil to keep waiting.
  private static func whyLost(
    after silence: UInt64, _ configuration: LinkConfiguration, _ limit: UInt64?,
    _ isAcknowledged: () -> Bool
  ) -> String? {
    let heard = "nothing has arrived for \(Double(silence / 100_000_000) / 10) s"
    if silence >= configuration.lostAfter, !isAcknowledged() {
      return
        "\(heard), and the peer's system acknowledges nothing: the other machine or the network is down"
    }
    guard let limit, silence >= limit else { return nil }
    return
      "\(heard): the process at the other end is stopped or overloaded, or the network between is down"
  }
}
