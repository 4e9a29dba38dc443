import TelpherServer
import TelpherTestSupport
import Testing

@Suite(.timeLimit(.minutes(15))) struct JobTests {
  @Test func aSecondStreamAttachesAndTheFirstIsReset() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let first = try await fixture.client()
      await first.send(TelpherServerTests.puppet(1, #""job":"\#(job)""#))
      await puppet.started()
      await puppet.print("early")
      try await first.until { $0.dataBytes == 5 }
      let second = try await fixture.client()
      await second.send(TelpherServerTests.puppet(1, #""job":"\#(job)""#))
      let opened = try await second.frame(5, 1).text
      #expect(opened == #"{"opened":{"attached":true,"offsets":{"1":5,"2":0}}}"#)
      try await first.frame(7, 1)
      await puppet.print("late")
      await puppet.exit(3)
      let result = try await second.result(1)
      #expect(result.contains(#""bytes":{"1":9,"2":0}"#))
      #expect(await second.output(1) == Array("late".utf8))
      #expect(await puppet.starts == 1)
    }
  }

  @Test func inputOfAnEarlierStreamGivesNoCreditToTheNext() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let first = try await fixture.client()
      await first.send(TelpherServerTests.puppet(1, noInput: false, #""job":"\#(job)""#))
      await puppet.started()
      await first.send(data(1, 0, [UInt8](repeating: 7, count: 200_000)))
      try await first.sync()
      let second = try await fixture.client()
      await second.send(TelpherServerTests.puppet(1, noInput: false, #""job":"\#(job)""#))
      try await second.frame(5, 1)
      await puppet.readInput()
      await puppet.until { $0.input.count == 200_000 }
      await second.send(data(1, 0, [9], fin: true))
      await puppet.until { $0.inputHasEnded }
      #expect(await puppet.input.count == 200_001)
      await puppet.exit()
      _ = try await second.result(1)
    }
  }

  /// A process that acts as another user gets the terms from a server, which has a policy.
  @Test func aRepeatedOpenSendsInputOnlyToTheCommandThatItWouldStart() async throws {
    func more(_ program: String, _ limits: String = "") -> String {
      #""job":"\#(job)","on_disconnect":"keep"\#(limits),"terms":{"argv":["\#(program)"],"terminal":false,"variables":[],"cwd":false,"clean_env":false,"limits":{}}"#
    }
    try await Fixture.inMemory(configure: { $0.servesServers = true }) { fixture in
      let puppet = fixture.puppet()
      let first = try await fixture.client()
      await first.send(TelpherServerTests.puppet(1, noInput: false, more("sh")))
      await puppet.started()
      for other in [more("cat"), more("sh", #","limits":{"open_files":50}"#)] {
        let second = try await fixture.client()
        await second.send(TelpherServerTests.puppet(1, noInput: false, other))
        #expect(try await second.result(1).contains("you may send it no input"))
        await second.close()
      }
      let again = try await fixture.client()
      await again.send(TelpherServerTests.puppet(1, noInput: false, more("sh")))
      try await again.frame(5, 1)
      await again.send(data(1, 0, [9], fin: true))
      await puppet.readInput()
      await puppet.until { $0.inputHasEnded }
      #expect(await puppet.input == [9])
      // Any stream may watch.
      let watching = try await fixture.client()
      await watching.send(TelpherServerTests.puppet(1, more("cat")))
      try await watching.frame(5, 1)
      await puppet.exit()
      _ = try await watching.result(1)
    }
  }

  @Test func inputIsDroppedIfAnEarlierStreamEndedTheInput() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let first = try await fixture.client()
      await first.send(TelpherServerTests.puppet(1, noInput: false, #""job":"\#(job)""#))
      await first.send(data(1, 0, [1], fin: true))
      await puppet.started()
      let second = try await fixture.client()
      await second.send(TelpherServerTests.puppet(1, noInput: false, #""job":"\#(job)""#))
      try await second.frame(5, 1)
      await second.send(data(1, 0, [2, 3]))
      try await second.sync()
      let messages = await second.frames.filter { $0.type == 5 }.map(\.text)
      #expect(messages.contains { $0.contains(#""stop_sending":0"#) })
      await puppet.readInput()
      await puppet.until { $0.inputHasEnded }
      #expect(await puppet.input == [1])
      await puppet.exit()
      _ = try await second.result(1)
    }
  }

  @Test func aKeptResultIsSentWithItsOffsets() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      await client.send(open(1, #"{"op":"run","argv":["echo","x"],"job":"\#(job)"}"#))
      let first = try await client.result(1)
      await client.send(open(3, #"{"op":"run","argv":["echo","x"],"job":"\#(job)"}"#))
      #expect(try await client.result(3) == first)
      let opened = try await client.frame(5, 3).text
      #expect(opened == #"{"opened":{"attached":true,"offsets":{"1":2,"2":0}}}"#)
      #expect(await client.output(3).isEmpty)
    }
  }

  @Test func aJobThatFailedToStartCanBeTriedAgain() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      await client.send(open(1, #"{"op":"run","argv":["nothing"],"job":"\#(job)"}"#))
      #expect(try await client.result(1).contains("not_started"))
      await client.send(open(3, #"{"op":"run","argv":["true"],"job":"\#(job)"}"#))
      #expect(try await client.result(3).contains(#""code":0"#))
    }
  }

  @Test func aKeptJobContinuesWithoutItsConnection() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let more = #""job":"\#(job)","on_disconnect":"keep""#
      let first = try await fixture.client()
      await first.send(TelpherServerTests.puppet(1, more))
      await puppet.started()
      await puppet.print("one")
      try await first.until { $0.dataBytes == 3 }
      await first.close()
      await puppet.print("two")
      let second = try await fixture.client()
      // Wait until the server has noticed the end of the first connection.
      while !(try await info(second)).contains(#""connections":1,"#) {}
      await second.send(TelpherServerTests.puppet(99_999, more))
      try await second.until { $0.output(99_999) == Array("two".utf8) }
      await puppet.exit()
      #expect(try await second.result(99_999).contains(#""bytes":{"1":6,"2":0}"#))
      #expect(await puppet.signals.isEmpty)
    }
  }

  @Test func aJobThatIsDetachedBeforeItsStartKeepsItsOutput() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      let open = TelpherServerTests.puppet(1, #""job":"\#(job)""#)
      await client.send(open, control(1, #"{"detach":true}"#))
      #expect(try await client.result(1).contains("detached"))
      await puppet.started()
      await puppet.print("kept")
      await client.send(TelpherServerTests.puppet(3, #""job":"\#(job)""#))
      try await client.until { $0.output(3) == Array("kept".utf8) }
      await puppet.exit()
      _ = try await client.result(3)
    }
  }

  @Test func aResetEndsTheJob() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(
        TelpherServerTests.puppet(1, #""job":"\#(job)","on_disconnect":"keep""#))
      await puppet.started()
      await client.send(reset(1))
      await puppet.until { !$0.signals.isEmpty }
      #expect(await puppet.signals.first == 15)
    }
  }

  @Test func aKeptJobIsEndedIfNoClientAttaches() async throws {
    try await Fixture.inMemory(configure: { $0.keepDetachedFor = 1_000_000 }) { fixture in
      let puppet = fixture.puppet()
      let more = #""job":"\#(job)","on_disconnect":"keep""#
      let first = try await fixture.client()
      await first.send(TelpherServerTests.puppet(1, more))
      await puppet.started()
      await first.close()
      await puppet.until { !$0.signals.isEmpty }
      #expect(await puppet.signals.first == 15)
      let second = try await fixture.client()
      while (try await info(second)).contains(#""running":1,"#) {}
      await second.send(TelpherServerTests.puppet(99_999, more))
      let result = try await second.result(99_999)
      #expect(result.contains(#""result":"canceled""#) && result.contains("max_detached"))
      #expect(await puppet.starts == 1)
    }
  }

  @Test func aStreamThatGetsTheRestOfAnEndedOutputEnds() async throws {
    try await Fixture.inMemory(configure: { $0.maxStreams = 2 }) { fixture in
      let puppet = fixture.puppet()
      let more = #""job":"\#(job)","on_disconnect":"keep","drain_ms":0"#
      let first = try await fixture.client()
      await first.send(TelpherServerTests.puppet(1, more))
      await puppet.started()
      await first.pauseReading()
      await first.send(open(3, #"{"op":"run","argv":["yes"]}"#))
      let second = try await fixture.client()
      // The output of `yes` fills the first connection, so the job's output waits in the server.
      for _ in 0..<300 { try await second.sync() }
      await puppet.print("rest")
      await puppet.exit(3)
      for _ in 0..<10 { try await second.sync() }
      await first.close()
      while !(try await info(second)).contains(#""running":1,"#) {}
      await second.send(TelpherServerTests.puppet(99_999, more))
      #expect(try await second.result(99_999).contains(#""code":3"#))
      #expect(await second.output(99_999) == Array("rest".utf8))
      // The stream counts no longer: two others fit in.
      for stream in [UInt32(100_001), 100_003] {
        await second.send(open(stream, #"{"op":"run","argv":["cat"]}"#, noInput: false))
      }
      for stream in [UInt32(100_001), 100_003] {
        await second.send(data(stream, 0, [1], fin: true))
        #expect(try await second.result(stream).contains(#""code":0"#))
      }
    }
  }

  @Test func eachConnectionStopsCountingAJobThatBothHadCanceled() async throws {
    try await Fixture.inMemory(configure: { $0.maxStreams = 1 }) { fixture in
      let puppet = fixture.puppet()
      await puppet.ignoreSignals()
      let clients = [try await fixture.client(), try await fixture.client()]
      for client in clients {
        let more = #""job":"\#(job)","grace_ms":600000"#
        await client.send(TelpherServerTests.puppet(1, more))
        await puppet.started()
        await client.send(reset(1))
        await puppet.until { !$0.signals.isEmpty }
        try await client.sync()
      }
      await puppet.exit()
      let other = try await fixture.client()
      while !(try await info(other)).contains(#""running":0,"#) {}
      for client in clients {
        await client.send(open(3, #"{"op":"run","argv":["true"]}"#))
        #expect(try await client.result(3).contains(#""code":0"#))
      }
      #expect(await puppet.starts == 1)
    }
  }

  @Test func onlyTheNewestResultsAreKept() async throws {
    try await Fixture.inMemory(configure: { $0.maxKeptResults = 2 }) { fixture in
      let client = try await fixture.client()
      let ids = (0..<3).map { String(repeating: "\($0)", count: 32) }
      for (number, id) in ids.enumerated() {
        let stream = UInt32(number * 2 + 1)
        await client.send(open(stream, #"{"op":"run","argv":["true"],"job":"\#(id)"}"#))
        _ = try await client.result(stream)
      }
      await client.send(open(7, #"{"op":"run","argv":["exit","5"],"job":"\#(ids[0])"}"#))
      #expect(try await client.result(7).contains(#""code":5"#))
      await client.send(open(9, #"{"op":"run","argv":["exit","5"],"job":"\#(ids[2])"}"#))
      #expect(try await client.result(9).contains(#""code":0"#))
    }
  }

  /// Requests `info` on a new stream and returns the answer.
  private func info(_ client: RawPeer) async throws -> String {
    let stream = UInt32(await client.frames.filter { $0.type == 6 }.count * 2 + 1)
    await client.send(open(stream, #"{"op":"info"}"#))
    return try await client.result(stream)
  }
}
