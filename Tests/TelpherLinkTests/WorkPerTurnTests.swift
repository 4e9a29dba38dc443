import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import TelpherWire
import Testing

@testable import TelpherLink

/// How many frames of one connection a turn of the loop handles.
@Suite(.timeLimit(.minutes(1))) struct WorkPerTurnTests {
  @Test func otherWorkOfTheLoopGetsItsTurnBetweenManyOpens() async throws {
    try await LinkFixture.with { fixture in
      await fixture.peer.send(hello())
      try await fixture.peer.frame(1)
      let streams = (0..<1_000).map { UInt32($0 * 2 + 1) }
      // All in one write, and the last is answered after all others.
      await fixture.peer.send(streams.flatMap { open($0, "{}") + reset($0) })
      try await fixture.peer.sync()
      let opens = await fixture.source.opensPerTurn
      #expect(opens.reduce(0, +) == 1_000)
      // An OPEN with its RESET counts 32, so 32 of them fill a turn. A turn may have two reads.
      #expect(opens.allSatisfy { $0 <= 64 }, "\(opens)")
    }
  }

  @Test func bytesAndEndsArriveInOrderAcrossTurns() async throws {
    try await LinkFixture.with(configure: { $0.workPerTurn = 3 }) { fixture in
      await fixture.peer.send(hello())
      try await fixture.peer.frame(1)
      await fixture.peer.send(
        open(1, "{}", noInput: false)
          + (0..<50).flatMap { data(1, 0, [UInt8($0)], fin: $0 == 49) })
      try await fixture.peer.sync()
      #expect(await fixture.source.delegateBytes == (0..<50).map { UInt8($0) })
      #expect(await fixture.source.finishedChannels == 1)
    }
  }

  /// The rest of a read must not keep an ended connection from noticing that the peer closes.
  @Test func aFaultEndsTheConnectionWhileARestWaits() async throws {
    try await LinkFixture.with(configure: { $0.workPerTurn = 1 }) { fixture in
      await fixture.peer.send(hello())
      try await fixture.peer.frame(1)
      // An even stream number violates the protocol.
      await fixture.peer.send(open(1, "{}") + open(3, "{}") + open(2, "{}") + open(5, "{}"))
      try await fixture.peer.frame(10)
      await fixture.peer.close()
      while await fixture.source.end == nil { await fixture.source.wait(1_000_000) }
      #expect(await fixture.source.opensPerTurn.reduce(0, +) == 2)
    }
  }

  /// A worker thread learns only later that its connection is ending, and may send until then.
  @Test func bytesThatAreSentAfterTheConnectionBeganToEndAreKept() async throws {
    try await LinkFixture.with { fixture in
      await fixture.peer.send(hello(), open(1, "{}"))
      try await fixture.peer.sync()
      await fixture.source.makeChannel(1)
      // An even stream number violates the protocol.
      await fixture.peer.send(open(2, "{}"))
      try await fixture.peer.frame(10)
      let sent = await fixture.source.send(1, 7)
      #expect(!sent.acceptsMore && sent.kept == [7])
    }
  }
}
