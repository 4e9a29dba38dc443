import TelpherLink
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@Suite(.timeLimit(.minutes(15))) struct PauseTests {
  /// Blocks the stream and queues more answers than allowed.
  private func pause(_ stubbed: StubbedLink) async {
    await stubbed.turn {
      $0.stream.queuesWrites = true
      $0.stream.deliver(ping(1))
    }
    await stubbed.turn { $0.stream.deliver(ping(2), ping(3), ping(4)) }
  }

  @Test func readingIsPausedUntilTheAnswersAreWritten() async throws {
    try await StubbedLink.with(configure: { $0.maxQueuedAnswers = 59 }) { stubbed in
      await pause(stubbed)
      await stubbed.turn {
        #expect(!$0.stream.isReading)
        #expect($0.stream.pongs == [1])
        $0.stream.becomeWritable()
        #expect($0.stream.isReading)
      }
      await stubbed.turn { #expect($0.stream.pongs == [1, 2, 3, 4]) }
    }
  }

  @Test func answersUpToTheLimitPauseNothing() async throws {
    try await StubbedLink.with(configure: { $0.maxQueuedAnswers = 60 }) { stubbed in
      await pause(stubbed)
      await stubbed.turn { #expect($0.stream.isReading) }
    }
  }

  @Test func aPauseIsNotThePeersSilence() async throws {
    try await StubbedLink.with(configure: { $0.maxQueuedAnswers = 0 }) { stubbed in
      await pause(stubbed)
      let pausedAt = stubbed.loop.now
      await stubbed.until { $0.loop.now > pausedAt + 20_000_000 }
      await stubbed.turn { #expect($0.link.lastHeard >= pausedAt + 20_000_000) }
    }
  }

  @Test func aLinkThatEndsWhileItIsPausedReadsThePeersEnd() async throws {
    try await StubbedLink.with(configure: { $0.maxQueuedAnswers = 0 }) { stubbed in
      await pause(stubbed)
      await stubbed.turn {
        $0.link.finish()
        #expect($0.stream.isReading)
        $0.stream.becomeWritable()
        #expect($0.stream.pongs == [1, 2, 3, 4])
        $0.stream.onEnd?(nil)
        #expect($0.delegate.end == .closed)
      }
    }
  }

  @Test func writingThatFailsInAPauseEndsTheConnection() async throws {
    try await StubbedLink.with(configure: { $0.maxQueuedAnswers = 0 }) { stubbed in
      await pause(stubbed)
      await stubbed.turn {
        $0.stream.failWriting()
        #expect($0.delegate.end == .lost("the connection broke: the stub broke"))
      }
    }
  }
}
