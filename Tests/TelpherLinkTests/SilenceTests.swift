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
      $0.pingAfter = 50_000_000
      $0.lostAfter = 1_000_000_000
    }) { fixture in
      await fixture.peer.ignorePings()
      await fixture.peer.send(hello())
      try await fixture.peer.until { $0.hasEnded }
      // One whose HELLO was late, as on a busy machine, is not asked.
      let frames = await fixture.peer.frames
      #expect(frames.contains { $0.type == 8 } || !frames.contains { $0.type == 1 })
      #expect(await fixture.source.end == .lost("nothing was heard for 1 s"))
    }
  }
}
