import TelpherLink
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@Suite(.timeLimit(.minutes(15))) struct WritingTests {
  @Test func theFramesOfOneTurnAreOneWrite() async throws {
    try await StubbedLink.with { stubbed in
      let before = await stubbed.turn { $0.stream.writes }
      await stubbed.turn { $0.stream.deliver(ping(1), ping(2), ping(3)) }
      await stubbed.turn {
        #expect($0.stream.pongs == [1, 2, 3])
        #expect($0.stream.writes == before + 1)
      }
    }
  }

  @Test func aLargeChunkIsOneWriteWithTheFramesBeforeIt() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn { $0.stream.deliver(open(1, "{}")) }
      await stubbed.turn {
        let before = $0.stream.writes
        $0.link.ping(1)
        $0.produce(1, total: 50_000)
        // The end of the channel has its own frame, which waits for the end of the turn.
        #expect($0.stream.writes == before + 1)
        #expect($0.stream.dataBytes(1) == 50_000)
      }
      await stubbed.turn { #expect($0.stream.frames.last?.isFin == true) }
    }
  }

  @Test func nothingIsWrittenWhileTheStreamIsBlocked() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn {
        $0.stream.queuesWrites = true
        $0.stream.deliver(ping(1))
      }
      await stubbed.turn { $0.stream.deliver(ping(2), open(1, "{}")) }
      await stubbed.turn { $0.produce(1, total: 100_000) }
      await stubbed.turn {
        #expect($0.stream.pongs == [1])
        #expect($0.stream.dataBytes(1) == 0)
        $0.stream.becomeWritable()
      }
      await stubbed.turn {
        #expect($0.stream.pongs == [1, 2])
        #expect($0.stream.dataBytes(1) == 100_000)
      }
    }
  }

  /// The stream blocks while frames wait for the end of the turn, and is writable again before it.
  @Test func aStreamThatBlocksForLessThanATurnLosesNothing() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn { $0.stream.deliver(open(1, "{}")) }
      await stubbed.turn {
        $0.link.ping(7)
        $0.stream.queuesWrites = true
        $0.produce(1, total: 60_000)
        $0.link.ping(8)
        $0.stream.becomeWritable()
        $0.link.ping(9)
      }
      await stubbed.turn {
        let pings = $0.stream.frames.filter { $0.type == 8 }.map { number($0.payload) }
        #expect(pings == [7, 8, 9])
        #expect($0.stream.dataBytes(1) == 60_000)
      }
    }
  }

  // MARK: Failed writing

  @Test func aPeersReasonIsReadAfterWritingHasFailed() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn { $0.stream.failWriting() }
      await stubbed.turn {
        $0.stream.deliver(goAway(0, 3, "go"))
        $0.stream.onEnd?(nil)
        #expect($0.delegate.end == .refused(.flowControl, "go"))
        #expect($0.stream.isClosed)
      }
    }
  }

  @Test func framesAreDroppedAfterWritingHasFailed() async throws {
    try await StubbedLink.with(configure: { $0.maxQueuedAnswers = 100 }) { stubbed in
      await stubbed.turn { $0.stream.failWriting() }
      let before = await stubbed.turn { $0.stream.byteCount }
      await stubbed.turn { stubbed in
        for number in 1...100 { stubbed.stream.deliver(ping(UInt64(number))) }
      }
      await stubbed.turn {
        #expect($0.stream.byteCount == before)
        // Dropped answers do not pile up, so the reading is not paused for them.
        #expect($0.stream.isReading)
      }
    }
  }

  @Test func aConnectionWhoseWritingHasFailedIsLostAtThePeersEnd() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn {
        $0.stream.failWriting()
        $0.stream.onEnd?(.stub)
        #expect($0.delegate.end == .lost("the connection broke: the stub broke"))
      }
    }
  }

  @Test func aConnectionWhoseWritingHasFailedIsLostAfterAWhile() async throws {
    try await StubbedLink.with(configure: { $0.lingerFor = 1_000_000 }) { stubbed in
      await stubbed.turn { $0.stream.failWriting() }
      await stubbed.until { $0.delegate.end != nil }
      await stubbed.turn {
        #expect($0.delegate.end == .lost("the connection broke: the stub broke"))
        #expect($0.stream.isClosed)
      }
    }
  }

  @Test func aFaultAfterWritingHasFailedIsReported() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn {
        $0.stream.failWriting()
        $0.link.fail(WireError(.protocolError, "bad"))
        #expect($0.delegate.end == nil)
        #expect(!$0.stream.hasFinishedWriting)
        $0.stream.onEnd?(nil)
        #expect($0.delegate.end == .peerFault(WireError(.protocolError, "bad")))
      }
    }
  }

  // MARK: Ending

  @Test func anEndingLinkEndsItsSideAndWaitsForThePeer() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn {
        $0.link.ping(5)
        $0.link.finish()
        #expect($0.stream.frames.last?.type == 8)
        #expect($0.stream.hasFinishedWriting)
        #expect($0.delegate.end == nil)
        $0.stream.deliver(ping(6))
        $0.stream.onEnd?(nil)
        #expect($0.delegate.end == .closed)
      }
    }
  }

  @Test func anEndingLinkWritesFirstWhatIsQueued() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn {
        $0.stream.queuesWrites = true
        $0.stream.deliver(ping(1))
      }
      await stubbed.turn {
        $0.link.ping(2)
        $0.link.finish()
        #expect(!$0.stream.hasFinishedWriting)
        // The peer has ended its side, and may still read.
        $0.stream.onEnd?(nil)
        #expect($0.delegate.end == nil)
        $0.stream.becomeWritable()
        #expect($0.stream.frames.last?.type == 8)
        #expect($0.stream.hasFinishedWriting)
        #expect($0.delegate.end == .closed)
      }
    }
  }

  @Test func anEndingLinkWaitsUntilItsLastBytesAreWritten() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn {
        $0.stream.queuesWrites = true
        $0.link.ping(2)
        $0.link.finish()
        #expect($0.stream.hasFinishedWriting)
        $0.stream.onEnd?(nil)
        #expect($0.delegate.end == nil)
        $0.stream.becomeWritable()
        #expect($0.delegate.end == .closed)
      }
    }
  }

  @Test func anEndingLinkIsClosedAtOnceIfTheStreamBreaks() async throws {
    for breaks in [
      { @Sendable (stream: StubStream) in stream.failWriting() },
      { @Sendable (stream: StubStream) in stream.onEnd?(.stub) },
    ] {
      try await StubbedLink.with { stubbed in
        await stubbed.turn {
          $0.stream.queuesWrites = true
          $0.link.ping(2)
          $0.link.finish()
          breaks($0.stream)
          #expect($0.delegate.end == .closed)
          #expect($0.stream.isClosed)
        }
      }
    }
  }

  @Test func anEndingLinkWaitsForALimitedTime() async throws {
    try await StubbedLink.with(configure: { $0.lingerFor = 1_000_000 }) { stubbed in
      await stubbed.turn { $0.link.finish() }
      await stubbed.until { $0.delegate.end != nil }
      await stubbed.turn { #expect($0.delegate.end == .closed) }
    }
  }

  @Test func aPeerThatEndsInOrderStillGetsWhatIsQueued() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn {
        $0.stream.queuesWrites = true
        $0.stream.deliver(ping(1))
      }
      await stubbed.turn {
        $0.link.ping(2)
        $0.stream.onEnd?(nil)
        #expect($0.delegate.end == nil)
        $0.stream.becomeWritable()
        #expect($0.stream.frames.last?.type == 8)
        #expect($0.delegate.end == .finished)
      }
    }
  }

  @Test func anEndedLinkDoesNothing() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn {
        $0.stream.deliver(open(1, "{}"))
        $0.link.abort()
        $0.link.ping(1)
        $0.link.finish()
        $0.link.fail(WireError(.protocolError, "late"))
        #expect($0.delegate.end == .closed)
        #expect($0.stream.isClosed)
        #expect(throws: WireError.self) { [link = $0.link] in
          _ = try link.open([], noInput: true)
        }
      }
    }
  }
}
