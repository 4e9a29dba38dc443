import Testing

@testable import TelpherLink

@Suite struct PeerSilenceTests {
  private static let configuration = {
    var configuration = LinkConfiguration()
    configuration.pingAfter = 10
    configuration.lostAfter = 30
    configuration.stoppedAfter = 100
    return configuration
  }()

  private func check(
    _ silence: inout PeerSilence, at now: UInt64, isGreeted: Bool = true, mayBeHeard: Bool = true,
    isAcknowledged: Bool = true
  ) -> PeerSilence.Action {
    silence.check(
      at: now, Self.configuration, isGreeted: isGreeted, mayBeHeard: mayBeHeard,
      isAcknowledged: { isAcknowledged })
  }

  private func isLost(_ action: PeerSilence.Action) -> Bool {
    if case .giveUp = action { true } else { false }
  }

  @Test func aPeerIsAskedAfterSomeSilence() {
    var silence = PeerSilence(at: 0)
    #expect(check(&silence, at: 9) == .wait)
    #expect(check(&silence, at: 10) == .ping)
    silence.didReceive(at: 15)
    #expect(check(&silence, at: 20) == .wait)
    #expect(check(&silence, at: 25) == .ping)
  }

  @Test func aPeerIsNotGivenUpBeforeItWasAsked() {
    var silence = PeerSilence(at: 0)
    #expect(check(&silence, at: 1_000, isAcknowledged: false) == .ping)
    #expect(isLost(check(&silence, at: 1_010, isAcknowledged: false)))
  }

  @Test func aPeerWhoseSystemAcknowledgesIsGivenUpLater() {
    var silence = PeerSilence(at: 0)
    #expect(check(&silence, at: 10) == .ping)
    #expect(check(&silence, at: 99) == .ping)
    #expect(isLost(check(&silence, at: 100)))
  }

  @Test func aPeerWithoutHelloIsNotAsked() {
    var silence = PeerSilence(at: 0)
    #expect(check(&silence, at: 20, isGreeted: false, isAcknowledged: false) == .wait)
    #expect(isLost(check(&silence, at: 30, isGreeted: false, isAcknowledged: false)))
  }

  @Test func aPeerThatIsNotReadIsNotGivenUp() {
    var silence = PeerSilence(at: 0)
    #expect(check(&silence, at: 10) == .ping)
    #expect(check(&silence, at: 1_000, mayBeHeard: false) == .ping)
    silence.didPause(until: 1_000)
    #expect(check(&silence, at: 1_005) == .wait)
    // The question from before the pause has still no answer.
    #expect(isLost(check(&silence, at: 1_100)))
  }
}
