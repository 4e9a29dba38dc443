import TelpherLink
import TelpherTestSupport
import Testing

@Suite(.timeLimit(.minutes(15))) struct SilenceTests {
  @Test func aSilentPeerGetsAPing() async throws {
    try await LinkFixture.with(configure: { $0.pingAfter = 1_000_000 }) { fixture in
      await fixture.peer.send(hello())
      try await fixture.peer.until { peer in peer.frames.filter { $0.type == 8 }.count >= 3 }
      #expect(await fixture.peer.hasEnded == false)
    }
  }

  /// The peer behaves like a stopped process: its system keeps the connection open.
  @Test func anUnresponsivePeerIsKeptWhileItsSystemAcknowledges() async throws {
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

  @Test func anUnresponsivePeerIsLostAfterItsLimit() async throws {
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
      #expect(why.contains("is stopped or overloaded"))
      // The GOAWAY carries the reason, for a peer that continues later.
      #expect(frames.contains { $0.type == 10 })
    }
  }
}
