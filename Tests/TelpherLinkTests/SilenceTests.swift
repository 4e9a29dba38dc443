import TelpherLink
import TelpherTestSupport
import Testing

@Suite(.timeLimit(.minutes(15))) struct SilenceTests {
  @Test func aPeerThatSaysNothingIsAsked() async throws {
    try await LinkFixture.with(configure: { $0.pingAfter = 1_000_000 }) { fixture in
      await fixture.peer.send(hello())
      try await fixture.peer.until { peer in peer.frames.filter { $0.type == 8 }.count >= 3 }
      #expect(await fixture.peer.hasEnded == false)
    }
  }

  /// As a process that was stopped: its system ends the connection when it is gone.
  @Test func aPeerThatDoesNotAnswerIsSlowAsLongAsTheConnectionStands() async throws {
    try await LinkFixture.with(configure: {
      $0.pingAfter = 1_000_000
      $0.lostAfter = 5_000_000
    }) { fixture in
      await fixture.peer.ignorePings()
      await fixture.peer.send(hello())
      try await fixture.peer.until { peer in peer.frames.filter { $0.type == 8 }.count >= 50 }
      #expect(await fixture.source.end == nil)
      #expect(await fixture.peer.hasEnded == false)
    }
  }

  @Test func aPeerThatDoesNotAnswerIsLostAfterTheLimitForIt() async throws {
    try await LinkFixture.with(configure: {
      $0.pingAfter = 50_000_000
      $0.stoppedAfter = 1_000_000_000
    }) { fixture in
      await fixture.peer.ignorePings()
      await fixture.peer.send(hello())
      try await fixture.peer.until { $0.hasEnded }
      let frames = await fixture.peer.frames
      guard case .lost(let why) = await fixture.source.end else {
        Issue.record("a silent peer counts as lost")
        return
      }
      #expect(why.contains("though the connection stands"))
      // It is told why, should it go on one day.
      #expect(frames.contains { $0.type == 10 })
    }
  }
}
