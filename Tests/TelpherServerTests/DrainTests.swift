import TelpherServer
import TelpherTestSupport
import Testing

@Suite(.timeLimit(.minutes(15))) struct DrainTests {
  @Test func aDrainLetsCommandsFinishAndRefusesNewOnes() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet())
      await puppet.started()
      async let drained: Void = fixture.server.drain()
      let goAway = try await client.frame(10)
      #expect(Array(goAway.payload.prefix(8)) == big(UInt32(1)) + big(UInt32(11)))
      await client.send(TelpherServerTests.puppet(3))
      try await client.sync()
      await puppet.print("x")
      await puppet.exit(6)
      #expect(try await client.result(1).contains(#""code":6"#))
      try await client.end()
      await client.close()
      await drained
      #expect(await puppet.starts == 1)
    }
  }

  @Test func aReplacedServerEndsIdleConnectionsAndNoOthers() async throws {
    try await Fixture.inMemory(configure: { $0.idleAfterReplacement = 60_000_000 }) { fixture in
      let puppet = fixture.puppet()
      let (idle, busy) = (try await fixture.client(), try await fixture.client())
      await busy.send(TelpherServerTests.puppet())
      await puppet.started()
      await fixture.server.handOver()
      // First each client is asked to leave when it can; one that stays idle is sent away.
      try await idle.frame(10)
      try await idle.frame(10)
      try await idle.end()
      #expect(await !busy.hasEnded)
      #expect(await puppet.isRunning)
      await puppet.exit(5)
      #expect(try await busy.result(1).contains(#""code":5"#))
      try await busy.end()
      await fixture.server.idle()
    }
  }

  @Test func theDrainLimitEndsACommandWhoseClientNeverReads() async throws {
    try await Fixture.inMemory(configure: { $0.drainLimit = 1_000_000 }) { fixture in
      let client = try await fixture.client(#"{"version":1,"window":10}"#)
      await client.send(open(1, #"{"op":"run","argv":["yes"],"on_disconnect":"kill"}"#))
      try await client.until { $0.dataBytes == 10 }
      await fixture.server.drain()
    }
  }

  @Test func theDrainLimitDoesNotWaitForALongGrace() async throws {
    try await Fixture.inMemory(configure: { $0.drainLimit = 1_000_000 }) { fixture in
      let puppet = fixture.puppet()
      await puppet.ignoreSignals()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(1, #""grace_ms":604800000"#))
      await puppet.started()
      await fixture.server.drain()
      #expect(await !puppet.isRunning)
    }
  }

  @Test func aDrainClosesAConnectionThatResetsItsLastStream() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet())
      await puppet.started()
      async let drained: Void = fixture.server.drain()
      try await client.frame(10)
      await client.send(reset(1))
      try await client.end()
      await drained
    }
  }

  @Test func aStopDoesNotWaitForAClientToReadTheOutputOfAKeptJob() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      await puppet.ignoreSignals()
      let client = try await fixture.client()
      await client.send(
        TelpherServerTests.puppet(
          1, #""job":"\#(job)","on_disconnect":"keep","grace_ms":604800000"#))
      await puppet.started()
      await client.send(control(1, #"{"detach":true}"#))
      _ = try await client.result(1)
      await puppet.print("unread output")
      await fixture.server.stop()
      #expect(await !puppet.isRunning)
    }
  }

  @Test func aStopEndsADrainAtOnce() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      await puppet.ignoreSignals()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet())
      await puppet.started()
      async let drained: Void = fixture.server.drain()
      try await client.frame(10)
      await fixture.server.stop()
      await drained
      try await client.end()
    }
  }

  @Test func aStrangerReceivesTheReasonOfAShutdown() async throws {
    try await Fixture.inMemory { fixture in
      let stranger = try await fixture.stranger()
      await stranger.send([UInt8("T".utf8.first!)])
      let client = try await fixture.client()
      try await client.sync()
      async let drained: Void = fixture.server.drain()
      #expect(Array(try await stranger.frame(10).payload[4..<8]) == big(UInt32(11)))
      await drained
    }
  }
}
