import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15))) struct CommandListTests {
  @Test func runningCommandsAreListedUntilTheyEnd() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(open(1, #"{"op":"ps"}"#))
      #expect(try await client.result(1) == #"{"commands":[],"result":"ok"}"#)
      await client.send(TelpherServerTests.puppet(3, #""job":"\#(job)""#))
      await puppet.started()
      let other = try await fixture.client()
      await other.send(open(1, #"{"op":"ps"}"#))
      let list = try await other.result(1)
      #expect(list.contains(#""argv":["puppet"]"#))
      #expect(list.contains(#""id":"\#(job)""#))
      #expect(list.contains(#""state":"running""#))
      #expect(list.contains(#""processes":1"#))
      await puppet.exit()
      _ = try await client.result(3)
      await other.send(open(3, #"{"op":"ps"}"#))
      #expect(try await other.result(3) == #"{"commands":[],"result":"ok"}"#)
    }
  }

  @Test func aLongListComesInParts() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      let argument = String(repeating: "x", count: 600)
      let count: UInt32 = 200
      for number in 0..<count {
        await client.send(
          open(2 * number + 1, #"{"op":"run","argv":["puppet","\#(argument)"]}"#, noInput: true))
      }
      await puppet.until { $0.starts == Int(count) }
      var ids: [String] = []
      var stream = 2 * count + 1
      var parts = 0
      while true {
        let after = ids.last.map { #","after":"\#($0)""# } ?? ""
        await client.send(open(stream, #"{"op":"ps"\#(after)}"#))
        let answer = try await client.result(stream)
        #expect(answer.utf8.count < 65_536)
        #expect(!answer.contains(argument))
        for part in answer.split(separator: #""id":""#).dropFirst() {
          ids.append(String(part.prefix { $0 != "\"" }))
        }
        parts += 1
        stream += 2
        guard answer.contains(#""more":true"#) else { break }
      }
      #expect(parts > 1)
      #expect(ids == (1...count).map { "\($0)" })
    }
  }

  @Test func aCommandIsEndedByItsID() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let owner = try await fixture.client()
      await owner.send(TelpherServerTests.puppet(1))
      await puppet.started()
      let other = try await fixture.client()
      await other.send(open(1, #"{"op":"kill","job":"1"}"#))
      #expect(try await other.result(1) == #"{"result":"ok"}"#)
      let result = try await owner.result(1)
      #expect(result.contains(#""result":"canceled""#))
      #expect(result.contains(#""cause":"canceled""#))
      #expect(await puppet.signals.contains(15))
    }
  }

  @Test func aSignalReachesACommandByItsID() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      await puppet.ignoreSignals()
      let owner = try await fixture.client()
      await owner.send(TelpherServerTests.puppet(1, #""job":"\#(job)""#))
      await puppet.started()
      let other = try await fixture.client()
      await other.send(open(1, #"{"op":"kill","job":"\#(job)","signal":12}"#))
      #expect(try await other.result(1) == #"{"result":"ok"}"#)
      await puppet.until { $0.signals == [12] }
      await puppet.exit(4)
      #expect(try await owner.result(1).contains(#""code":4"#))
    }
  }

  @Test func anUnknownIDIsAFailure() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      for (stream, id) in [(UInt32(1), "1"), (3, job), (5, "01")] {
        await client.send(open(stream, #"{"op":"kill","job":"\#(id)"}"#))
        #expect(
          try await client.result(stream)
            == #"{"message":"no command with the id '\#(id)' is running","result":"failed"}"#)
      }
    }
  }

  @Test func aLimitThatCanNotBeEnforcedIsRefused() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(1, #""limits":{"tree_memory_bytes":1000000}"#))
      let result = try await client.result(1)
      #expect(result.contains(#""result":"refused""#))
      #expect(result.contains("can't enforce the limit 'memory'"))
      #expect(await puppet.starts == 0)
      await client.send(open(3, #"{"op":"info"}"#))
      let info = try await client.result(3)
      #expect(info.contains(#""enforceable_limits":["core_bytes","cpu_s""#))
      #expect(info.contains(#""command_limits":{}"#))
    }
  }

  @Test func theServersLimitHoldsForEveryCommand() async throws {
    try await Fixture.inMemory(configure: {
      $0.commandLimits = [ResourceLimit(.openFiles, 100)]
    }) { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(1, #""limits":{"open_files":101}"#))
      #expect(
        try await client.result(1).contains("open-files 101 is more than this server allows: 100"))
      await client.send(TelpherServerTests.puppet(3, #""limits":{"open_files":100}"#))
      await puppet.started()
      await puppet.exit()
      #expect(try await client.result(3).contains(#""code":0"#))
      await client.send(open(5, #"{"op":"info"}"#))
      #expect(try await client.result(5).contains(#""command_limits":{"open_files":100}"#))
    }
  }
}
