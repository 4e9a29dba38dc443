import TelpherServer
import TelpherTestSupport
import Testing

@Suite(.timeLimit(.minutes(15))) struct StreamTests {
  @Test func outputCanBeStoppedBeforeTheStart() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      await client.send(
        open(1, #"{"op":"run","argv":["yes"]}"#), control(1, #"{"stop_sending":1}"#))
      #expect(try await client.result(1).contains(#""signal":13"#))
    }
  }

  /// Otherwise a client that opens and resets streams in a loop could have any number of commands.
  @Test func commandsThatAreEndingCountTowardsMaxStreams() async throws {
    try await Fixture.inMemory(configure: { $0.maxStreams = 2 }) { fixture in
      let puppets = [fixture.puppet("one"), fixture.puppet("two")]
      let client = try await fixture.client()
      for (number, puppet) in puppets.enumerated() {
        await puppet.ignoreSignals()
        let stream = UInt32(number * 2 + 1)
        let name = number == 0 ? "one" : "two"
        let request = #"{"op":"run","argv":["\#(name)"],"grace_ms":600000}"#
        await client.send(open(stream, request))
        await puppet.started()
        await client.send(reset(stream))
        await puppet.until { !$0.signals.isEmpty }
      }
      await client.send(open(5, #"{"op":"run","argv":["true"]}"#))
      let refused = try await client.result(5)
      #expect(refused.contains(#""result":"refused""#) && refused.contains("max_streams"))
      // Another connection is not affected.
      let other = try await fixture.client()
      await other.send(open(1, #"{"op":"run","argv":["true"]}"#))
      #expect(try await other.result(1).contains(#""code":0"#))
      await puppets[0].exit()
      var (stream, result) = (UInt32(5), refused)
      while result.contains("max_streams") {
        stream += 2
        await client.send(open(stream, #"{"op":"run","argv":["true"]}"#))
        result = try await client.result(stream)
      }
      #expect(result.contains(#""code":0"#))
    }
  }

  @Test func stoppedOutputBreaksThePipe() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet())
      await puppet.started()
      await client.send(control(1, #"{"stop_sending":1}"#))
      try await client.sync()
      await puppet.print("x")
      await puppet.until { $0.outputIsBroken }
      await puppet.printError("y")
      await puppet.exit(4)
      #expect(try await client.result(1).contains(#""bytes":{"1":0,"2":1}"#))
    }
  }

  /// The window of a command is small until the command has read that much.
  @Test func theInputWindowGrowsWhenTheCommandReads() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      let hello = try await client.frame(1).text
      #expect(
        hello.contains(#""connection_window":4194304"#) && hello.contains(#""window":65536"#))
      await client.send(TelpherServerTests.puppet(1, noInput: false))
      await puppet.started()
      try await client.until("a window of 256 KiB") { peer in
        peer.frames.contains { $0.type == 4 && $0.stream == 1 && number($0.payload) == 256 << 10 }
      }
      await client.send(data(1, 0, [UInt8](repeating: 0, count: 256 << 10)))
      try await client.sync()
      await puppet.readInput()
      try await client.until("a window of 1 MiB") { peer in
        peer.frames.contains {
          $0.type == 4 && $0.stream == 1 && number($0.payload) == (256 << 10) + (1 << 20)
        }
      }
    }
  }

  @Test func aMergedErrorChannelEndsAtOnce() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(1, #""merge":true"#))
      await puppet.started()
      try await client.until { peer in peer.frames.contains { $0.isFin && $0.channel == 2 } }
      await puppet.printError("e")
      await puppet.exit()
      _ = try await client.result(1)
      #expect(await client.output(1) == Array("e".utf8))
    }
  }

  @Test func everyOutputEndsBeforeTheResultOnABlockedConnection() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(1))
      await puppet.started()
      await client.pauseReading()
      await client.send(open(3, #"{"op":"run","argv":["yes"]}"#))
      // The output of `yes` fills the connection until it is blocked.
      let other = try await fixture.client()
      try await waitUntilBlocked(fixture)
      await puppet.print("last")
      await puppet.exit()
      try await other.sync()
      await client.resumeReading()
      _ = try await client.result(1)
      let frames = await client.frames.filter { $0.stream == 1 }
      #expect(await client.output(1) == Array("last".utf8))
      #expect(frames.filter(\.isFin).map(\.channel).sorted() == [1, 2])
      #expect(frames.last?.type == 6)
      await client.send(reset(3))
    }
  }

  /// Waits for many turns of the loop, in which `yes` fills the connection.
  private func waitUntilBlocked(_ fixture: Fixture) async throws {
    let peer = try await fixture.client()
    for _ in 0..<300 { try await peer.sync() }
  }

  @Test func anInvalidControlEndsOnlyItsOwnStream() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(), control(1, "{"))
      try await client.frame(7, 1)
      await puppet.until { !$0.signals.isEmpty || !$0.isRunning }
      await client.send(open(3, #"{"op":"run","argv":["true"]}"#))
      #expect(try await client.result(3).contains("exited"))
    }
  }

  @Test func earlyInputAndSignalsReachTheCommand() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      await puppet.ignoreSignals()
      let client = try await fixture.client()
      await client.send(
        TelpherServerTests.puppet(noInput: false), data(1, 0, [1, 2]),
        control(1, #"{"signal":10}"#), data(1, 0, [3], fin: true))
      await puppet.started()
      await puppet.readInput()
      await puppet.until { $0.inputHasEnded && !$0.signals.isEmpty }
      #expect(await puppet.input == [1, 2, 3])
      #expect(await puppet.signals == [10])
      await puppet.exit()
      #expect(try await client.result(1).contains(#""code":0"#))
    }
  }

  @Test func aCommandThatIsCanceledBeforeItStartsIsEnded() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(), control(1, #"{"cancel":true}"#))
      #expect(try await client.result(1).contains("canceled"))
      #expect(await !puppet.isRunning)
    }
  }

  @Test func aCommandThatDoesNotReadStopsOnlyItsOwnInput() async throws {
    try await Fixture.inMemory(configure: { $0.window = 100_000 }) { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(noInput: false))
      await puppet.started()
      await client.send(data(1, 0, [UInt8](repeating: 1, count: 100_000)))
      await client.send(open(3, #"{"op":"run","argv":["cat"]}"#, noInput: false))
      await client.send(data(3, 0, [5], fin: true))
      #expect(try await client.result(3).contains(#""bytes":{"1":1,"2":0}"#))
      // The server grants no more than the first window of a command.
      let grants = await client.frames.filter { $0.type == 4 && $0.stream == 1 }
      #expect(grants.map { number($0.payload) } == [256 << 10])
      await puppet.readInput()
      await puppet.until { $0.input.count == 100_000 }
      await puppet.exit()
      _ = try await client.result(1)
    }
  }

  @Test func aCommandThatClosesItsInputStopsTheClient() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(noInput: false))
      await puppet.started()
      await puppet.closeInput()
      await client.send(data(1, 0, [1]))
      #expect(try await client.frame(5, 1).text == #"{"stop_sending":0}"#)
      await client.send(data(1, 0, [2], fin: true))
      await puppet.exit()
      #expect(try await client.result(1).contains(#""code":0"#))
    }
  }

  @Test func aLostConnectionEndsItsCommands() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(noInput: false))
      await puppet.started()
      // The connection ends within a frame.
      await client.send(Array(data(1, 0, [1, 2, 3]).dropLast()))
      await client.close()
      await puppet.until { !$0.signals.isEmpty || !$0.isRunning }
      #expect(await puppet.signals.first == 15)
    }
  }
}
