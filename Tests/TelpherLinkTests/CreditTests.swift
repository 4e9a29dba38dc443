import TelpherLink
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@Suite(.timeLimit(.minutes(15))) struct CreditTests {
  @Test func creditGrantedWhileBlockedIsUsedAfterwards() async throws {
    try await LinkFixture.with { fixture in
      let peer = fixture.peer
      await peer.send(hello(#"{"version":1,"window":300000}"#), open(1, "{}"), open(3, "{}"))
      try await peer.frame(1)
      await peer.pauseReading()
      // The first stream fills the connection; the second is also out of credit.
      await fixture.source.produce(1, total: 300_000)
      await fixture.source.produce(3, total: 700_000)
      await peer.send(window(3, 1, 700_000), window(1, 1, 700_000))
      await peer.send(ping(1))
      await peer.resumeReading()
      try await peer.until { $0.dataBytes == 1_000_000 }
    }
  }

  /// A worker thread may send before it notices that the connection has failed.
  @Test func aChunkThatIsSentAfterAFaultIsDropped() async throws {
    try await LinkFixture.with { fixture in
      let peer = fixture.peer
      await peer.send(hello(#"{"version":1,"window":1000}"#), open(1, "{}"))
      try await peer.frame(1)
      await fixture.source.produce(1, total: 1_000)
      // Far more than the window of the channel.
      await peer.send(data(1, 0, [UInt8](repeating: 0, count: 2_000_000)))
      try await peer.until { $0.frames.contains { $0.type == 10 } }
      #expect(await fixture.source.sendAgain(on: 1) == false)
    }
  }

  @Test func aSmallStreamDoesNotWaitForABulkOne() async throws {
    try await LinkFixture.with { fixture in
      let peer = fixture.peer
      await peer.send(hello(#"{"version":1,"window":9000000}"#), open(1, "{}"), open(3, "{}"))
      try await peer.frame(1)
      await peer.pauseReading()
      await fixture.source.produce(1, total: 4_000_000)
      await fixture.source.produce(3, total: 1_000)
      await peer.resumeReading()
      try await peer.until { $0.output(3).count == 1_000 }
      let before = await peer.frames.prefix { $0.stream != 3 }.reduce(0) { $0 + $1.payload.count }
      // The bytes sent before the second stream had data, plus one turn.
      #expect(before < 400_000)
    }
  }

  @Test func aPeerThatSendsPingsAndReadsNothingIsNoLongerRead() async throws {
    try await LinkFixture.with(configure: { $0.maxQueuedAnswers = 10_000 }) { fixture in
      let peer = fixture.peer
      await peer.send(hello())
      try await peer.frame(1)
      await peer.pauseReading()
      let pings = (1...1_000).flatMap { ping(UInt64($0)) }
      for _ in 0..<60 { await peer.send(pings) }
      await fixture.source.untilPaused()
      #expect(await peer.queuedBytes > 0)
      await peer.resumeReading()
      try await peer.until { peer in peer.frames.filter { $0.type == 9 }.count == 60_000 }
    }
  }

  /// Grants random credit to channels and the connection, while the peer reads and while it
  /// doesn't. In the end every byte must have arrived.
  @Test(arguments: 0..<30)
  func noWakeupIsLost(_ seed: Int) async throws {
    try await LinkFixture.with { fixture in
      var generator = SeededGenerator(seed: UInt64(seed))
      let peer = fixture.peer
      let streams: [UInt32] = [1, 3, 5]
      let total = 300_000
      await peer.send(hello(#"{"version":1,"window":1000,"connection_window":2000}"#))
      for stream in streams { await peer.send(open(stream, "{}")) }
      try await peer.frame(1)
      for stream in streams { await fixture.source.produce(stream, total: total) }
      var limits: [UInt32: UInt64] = [0: 2_000, 1: 1_000, 3: 1_000, 5: 1_000]
      let ends: [UInt32: UInt64] = [0: 900_000, 1: 300_000, 3: 300_000, 5: 300_000]
      while limits != ends {
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: await peer.pauseReading()
        case 1: await peer.resumeReading()
        case 2: try await fixture.source.turn()
        default:
          let all: [UInt32] = [0, 1, 3, 5]
          let stream = all.randomElement(using: &generator)!
          let step = UInt64.random(in: 1...100_000, using: &generator)
          limits[stream] = min(limits[stream]! + step, ends[stream]!)
          await peer.send(window(stream, stream == 0 ? 0 : 1, limits[stream]!))
        }
      }
      await peer.resumeReading()
      try await peer.until { $0.dataBytes == 900_000 }
      for stream in streams {
        try await peer.until { peer in peer.frames.contains { $0.isFin && $0.stream == stream } }
      }
    }
  }
}
