import TelpherRelay
import TelpherTestSupport
import TelpherTransport
import Testing

/// What a relay passes on, and how it ends streams.
struct RelayTests {
  @Test func aClientGetsTheServersHelloAndADescriptionOfTheRelay() async throws {
    try await RelayFixture.with { fixture in
      let text = try await fixture.client().frame(1).text
      #expect(text.contains(#""server":"telpher 9""#) && text.contains(#""kill_scope":"cgroup""#))
      #expect(text.contains(#""address":"ssh:\/\/host""#) || text.contains(#""ssh://host""#))
    }
  }

  @Test func framesOfAStreamArePassedOnUnchanged() async throws {
    try await RelayFixture.with { fixture in
      let (server, client) = (fixture.server, try await fixture.client())
      let request = #"{"op":"of a later version","x":[1,"ü"]}"#
      await client.send(
        open(5, request, noInput: false), data(5, 0, [1, 2], fin: true),
        control(5, #"{"signal":15,"later":true}"#))
      let opened = try await server.frame(2, 1)
      #expect(opened.text == request && opened.flags == 0)
      #expect(try await server.frame(5, 1).text == #"{"signal":15,"later":true}"#)
      try await server.until("FIN") { $0.frames.contains(where: \.isFin) }
      #expect(await server.output(1, 0) == [1, 2])

      await server.send(
        control(1, #"{"opened":{}}"#), data(1, 1, [3], fin: true), data(1, 2, fin: true),
        close(1, #"{"result":"a later one","y":1}"#))
      #expect(try await client.result(5) == #"{"result":"a later one","y":1}"#)
      #expect(try await client.frame(5, 5).text == #"{"opened":{}}"#)
      #expect(await client.output(5) == [3])
      #expect(await client.frames.last?.type == 6)
    }
  }

  @Test func streamsOfTwoClientsGetDifferentNumbers() async throws {
    try await RelayFixture.with { fixture in
      let server = fixture.server
      let first = try await fixture.open(1, noInput: true)
      let second = try await fixture.open(3, noInput: true)
      #expect(try await server.frame(2, 1).flags == 1)
      await server.send(data(3, 1, [3]), close(3), data(1, 1, [1]), close(1))
      _ = try await first.result(1)
      _ = try await second.result(1)
      #expect(await first.output(1) == [1])
      #expect(await second.output(1) == [3])
    }
  }

  // MARK: Credit

  @Test func theServerGetsNoCreditForWhatAClientDoesNotTake() async throws {
    try await RelayFixture.with { fixture in
      let server = fixture.server
      let client = try await fixture.open(1, #"{"version":1,"window":10}"#)
      // A window of the relay and what it passes on to the client.
      await server.send(data(1, 1, [UInt8](repeating: 7, count: 200_000)))
      await server.send(data(1, 1, [UInt8](repeating: 7, count: 200_000)))
      await server.send(data(1, 1, [UInt8](repeating: 7, count: 200_000)))
      await server.send(close(1))
      try await client.until("10 bytes") { $0.dataBytes == 10 }
      try await server.sync()
      #expect(await !server.frames.contains { $0.type == 4 && $0.stream == 1 })
      #expect(await !client.frames.contains { $0.type == 6 })
      await client.send(window(1, 1, 599_999))
      try await client.until("all but one") { $0.dataBytes == 599_999 }
      #expect(await !client.frames.contains { $0.type == 6 })
      await client.send(window(1, 1, 600_000))
      _ = try await client.result(1)
      #expect(await client.dataBytes == 600_000)
    }
  }

  @Test func aClientThatDoesNotTakeItsOutputDelaysNoOther() async throws {
    try await RelayFixture.with { fixture in
      let server = fixture.server
      let stalled = try await fixture.open(1, #"{"version":1,"window":1}"#)
      let other = try await fixture.open(3)
      await server.send(data(1, 1, [UInt8](repeating: 7, count: 200_000)))
      await server.send(data(3, 1, [8]), close(3))
      _ = try await other.result(1)
      #expect(await other.output(1) == [8])
      try await stalled.until("one byte") { $0.dataBytes == 1 }
    }
  }

  /// The last bytes, the end of the channel and CLOSE wait for credit together.
  @Test func aStreamWhoseEndWaitsForCreditEndsOnce() async throws {
    try await RelayFixture.with { fixture in
      for far: UInt32 in [1, 3, 5] {
        let client = try await fixture.open(far, #"{"version":1,"window":10}"#)
        await fixture.server.send(
          data(far, 1, [UInt8](repeating: 7, count: 5_000)),
          data(far, 1, [UInt8](repeating: 8, count: 5_000), fin: true), close(far))
        try await client.until("10 bytes") { $0.dataBytes == 10 }
        await client.send(window(1, 1, far == 1 ? 5_000 : 20_000), window(1, 1, 20_000))
        _ = try await client.result(1)
        #expect(await client.dataBytes == 10_000)
        #expect(await client.frames.count { $0.type == 6 } == 1)
        #expect(await client.frames.count(where: \.isFin) == 1)
      }
    }
  }

  @Test func inputThatTheServerDoesNotTakeWaitsAtTheClient() async throws {
    try await RelayFixture.with(#"{"version":1,"window":5}"#) { fixture in
      let server = fixture.server
      let client = try await fixture.open(1)
      await client.send(data(1, 0, [UInt8](repeating: 1, count: 200_000), fin: true))
      try await server.until("5 bytes") { $0.dataBytes == 5 }
      // Only the window that each input begins with.
      #expect(await client.frames.count { $0.type == 4 && $0.stream == 1 } == 1)
      await server.send(window(1, 0, 200_000))
      try await server.until("FIN") { $0.frames.contains(where: \.isFin) }
      #expect(await server.dataBytes == 200_000)
    }
  }

  // MARK: Ends

  @Test func aResetOfTheClientIsPassedOn() async throws {
    try await RelayFixture.with { fixture in
      let client = try await fixture.open(1)
      await client.send(reset(1, 9, "enough"))
      let frame = try await fixture.server.frame(7, 1)
      #expect(number(frame.payload.prefix(4)) == 9)
      #expect(frame.payload.dropFirst(12).elementsEqual("enough".utf8))
    }
  }

  @Test func aClientThatIsGoneResetsItsStreamsWithLost() async throws {
    try await RelayFixture.with { fixture in
      let client = try await fixture.open(1)
      let other = try await fixture.open(3)
      await client.close()
      #expect(number(try await fixture.server.frame(7, 1).payload.prefix(4)) == 12)
      await fixture.server.send(close(3))
      _ = try await other.result(1)
      #expect(await !fixture.server.frames.contains { $0.type == 7 && $0.stream == 3 })
    }
  }

  @Test func aResetOfTheServerComesAfterTheBytesBeforeIt() async throws {
    try await RelayFixture.with { fixture in
      let client = try await fixture.open(1, #"{"version":1,"window":2}"#)
      await fixture.server.send(data(1, 1, [1, 2, 3]), reset(1, 2, "broken"))
      try await client.until("2 bytes") { $0.dataBytes == 2 }
      await client.send(window(1, 1, 3))
      let frame = try await client.frame(7, 1)
      #expect(await client.output(1) == [1, 2, 3])
      #expect(frame.payload.dropFirst(12).elementsEqual("broken".utf8))
    }
  }

  @Test func aLostServerEndsTheStreamsWithLostAfterTheirBytes() async throws {
    try await RelayFixture.with { fixture in
      let client = try await fixture.open(1, #"{"version":1,"window":2}"#)
      let idle = try await fixture.client()
      await fixture.server.send(data(1, 1, [1, 2, 3]))
      try await client.until("2 bytes") { $0.dataBytes == 2 }
      await fixture.server.close()
      #expect(number(try await client.frame(10).payload.dropFirst(4).prefix(4)) == 12)
      #expect(await !client.frames.contains { $0.type == 7 })
      await client.send(window(1, 1, 3))
      #expect(number(try await client.frame(7, 1).payload.prefix(4)) == 12)
      #expect(await client.output(1) == [1, 2, 3])
      for peer in [client, idle] {
        try await peer.end()
        await peer.close()
      }
      await fixture.relay.ended()
    }
  }

  @Test func streamsThatTheServerDidNotTakeAreRefused() async throws {
    try await RelayFixture.with { fixture in
      let taken = try await fixture.open(1)
      let late = try await fixture.open(3)
      await fixture.server.send(goAway(1, 11, "ending"))
      let result = try await late.result(1)
      #expect(result.contains(#""refused""#) && result.contains("ending"))
      await fixture.server.send(close(1))
      #expect(try await taken.result(1).contains("exited"))
      // Further requests of an old client are refused, and no new clients are accepted.
      await taken.send(open(3, "{}"))
      #expect(try await taken.frame(10).text.contains("ending"))
      await #expect(throws: (any Error).self) { try await fixture.client() }
    }
  }

  @Test func aClientThatBreaksTheProtocolEndsAlone() async throws {
    try await RelayFixture.with { fixture in
      let bad = try await fixture.open(1)
      let good = try await fixture.open(3)
      await bad.send(data(9, 0, [1]))
      #expect(number(try await bad.frame(10).payload.dropFirst(4).prefix(4)) == 8)
      await bad.close()
      #expect(number(try await fixture.server.frame(7, 1).payload.prefix(4)) == 12)
      await fixture.server.send(close(3))
      _ = try await good.result(1)
    }
  }

  @Test func aClientWithoutHelloIsDisconnected() async throws {
    try await RelayFixture.with(configure: { $0.helloTimeout = 1_000_000 }) { fixture in
      try await fixture.silentClient().end()
    }
  }

  // MARK: PING

  @Test func aPingIsAnsweredByTheServer() async throws {
    try await RelayFixture.with { fixture in
      let client = try await fixture.client()
      await fixture.server.ignorePings()
      for number: UInt64 in [0, 77] {
        await client.send(ping(number))
      }
      // The one that measures a hop is answered at once.
      try await client.sync(.max)
      #expect(await client.frames.filter { $0.type == 9 }.count == 1)
      try await fixture.server.until("2 PINGs") { $0.frames.count { $0.type == 8 } >= 2 }
      for frame in await fixture.server.frames where frame.type == 8 {
        await fixture.server.send(RawFrame(type: 9, payload: frame.payload).bytes)
      }
      try await client.until("3 PONGs") { $0.frames.count { $0.type == 9 } == 3 }
      #expect(
        await client.frames.filter { $0.type == 9 }.map { number($0.payload) } == [.max, 0, 77])
    }
  }

  @Test func aClientWithTooManyUnansweredPingsIsRefused() async throws {
    try await RelayFixture.with(configure: { $0.maxPings = 2 }) { fixture in
      let client = try await fixture.client()
      await fixture.server.ignorePings()
      for number: UInt64 in 1...3 { await client.send(ping(number)) }
      #expect(number(try await client.frame(10).payload.dropFirst(4).prefix(4)) == 7)
    }
  }

  // MARK: A silent server

  @Test(arguments: [nil, 1] as [UInt64?])
  func aClientIsEndedIfTheServerSendsNothingInTime(_ drains: UInt64?) async throws {
    try await RelayFixture.with(configure: { $0.drainAfterSilence = drains }) { fixture in
      await fixture.server.ignorePings()
      let other = try await fixture.open(1)
      let client = try await fixture.client(#"{"version":1,"answer_ms":1}"#)
      let end = try await client.frame(10)
      #expect(number(end.payload.dropFirst(4).prefix(4)) == 12)
      #expect(end.text.contains("the server has not answered within 1 ms"))
      // Others wait as long as they want.
      await fixture.server.send(close(1))
      _ = try await other.result(1)
      guard drains != nil else {
        _ = try await fixture.client()
        return
      }
      try await eventually("it accepts no more") {
        guard let next = try? await fixture.silentClient() else { return true }
        await next.close()
        return false
      }
    }
  }

  @Test func anEndingRelayDescribesItselfAtAnotherAddress() async throws {
    let ending = SocketAddress.unix(path: "/ending")
    try await RelayFixture.with(configure: { $0.endingAddress = ending }) { fixture in
      let client = try await fixture.open(1)
      await fixture.relay.beginDraining()
      let other = try await fixture.silentClient(at: ending)
      let hello = try await other.frame(1, 0).text
      #expect(hello.contains(#""ending":true"#) && hello.contains(#""refuses":true"#))
      #expect(hello.contains(#""clients":1"#))
      #expect(number(try await other.frame(10).payload.dropFirst(4).prefix(4)) == 11)
      await fixture.server.send(close(1))
      _ = try await client.result(1)
    }
  }

  // MARK: Limits

  @Test func aClientBeyondTheLimitIsRefusedBeforeItsHello() async throws {
    try await RelayFixture.with(configure: { $0.maxClients = 1 }) { fixture in
      let client = try await fixture.client()
      let other = try await fixture.silentClient()
      #expect(try await other.frame(1, 0).text.contains(#""refuses":true"#))
      #expect(number(try await other.frame(10).payload.dropFirst(4).prefix(4)) == 7)
      await client.close()
      try await eventually("its place is free") { (try? await fixture.client()) != nil }
    }
  }

  @Test(arguments: [(stream: UInt32(0), limit: UInt64(18)), (1, 30)])
  func aClientIsRefusedWhileOthersHoldTheServersWindow(
    _ grant: (stream: UInt32, limit: UInt64)
  ) async throws {
    let greeting = #"{"version":1,"window":15,"connection_window":16}"#
    try await RelayFixture.with(greeting) { fixture in
      let client = try await fixture.open(1)
      await client.send(data(1, 0, [UInt8](repeating: 1, count: 15)))
      try await fixture.server.until("15 bytes") { $0.dataBytes == 15 }
      let other = try await fixture.silentClient()
      #expect(try await other.frame(1, 0).text.contains(#""refuses":true"#))
      #expect(number(try await other.frame(10).payload.dropFirst(4).prefix(4)) == 7)
      // The connection gets credit for what is not taken, or the stream's bytes are taken.
      await fixture.server.send(window(grant.stream, 0, grant.limit))
      try await fixture.server.sync()
      _ = try await fixture.client()
    }
  }

  @Test func aRequestBeyondTheServersStreamsIsRefused() async throws {
    try await RelayFixture.with(#"{"version":1,"max_streams":1}"#) { fixture in
      let first = try await fixture.open(1)
      let second = try await fixture.client()
      await second.send(open(1, "{}"))
      #expect(try await second.result(1).contains("refused"))
      await fixture.server.send(close(1))
      _ = try await first.result(1)
    }
  }

  // MARK: The relay's end

  @Test func aRelayEndsAfterItsLastUse() async throws {
    try await RelayFixture.with { fixture in
      let client = try await fixture.open(1, #"{"version":1,"keep_ms":1}"#)
      await fixture.server.send(close(1))
      _ = try await client.result(1)
      await client.close()
      try await fixture.server.end()
      await fixture.server.close()
      await fixture.relay.ended()
    }
  }

  @Test func aDrainedRelayWaitsForItsClients() async throws {
    try await RelayFixture.with { fixture in
      let client = try await fixture.open(1)
      async let drained: Void = fixture.relay.drain()
      try await eventually("it accepts no more") {
        guard let other = try? await fixture.silentClient() else { return true }
        await other.close()
        return false
      }
      await fixture.server.send(close(1))
      _ = try await client.result(1)
      await client.close()
      try await fixture.server.end()
      await fixture.server.close()
      await drained
    }
  }

  @Test func aStoppedRelayGivesItsClientsTheReason() async throws {
    try await RelayFixture.with { fixture in
      let client = try await fixture.open(1)
      async let stopped: Void = fixture.relay.stop("the user wants it")
      #expect(try await client.frame(10).text.hasSuffix("the user wants it"))
      try await client.end()
      await client.close()
      try await fixture.server.end()
      await fixture.server.close()
      await stopped
    }
  }
}
