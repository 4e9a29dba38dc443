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

  @Test func aPeerThatDoesNotAnswerIsLost() async throws {
    try await LinkFixture.with(configure: {
      $0.pingAfter = 1_000_000
      $0.lostAfter = 30_000_000
    }) { fixture in
      await fixture.peer.ignorePings()
      await fixture.peer.send(hello())
      try await fixture.peer.until { $0.hasEnded }
      #expect(await fixture.peer.frames.contains { $0.type == 8 })
      #expect(await fixture.source.end == .lost("nothing was heard for 0 s"))
    }
  }
}
