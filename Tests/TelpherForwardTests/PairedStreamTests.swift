import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherForward

@Suite(.timeLimit(.minutes(5))) struct PairedStreamTests {
  /// Runs `body` with the two ends of a pair, on one loop or on two.
  private func with(
    loops: Int, _ body: (PlainSocket, PlainSocket) async throws -> Void
  ) async throws {
    let first = MemoryLoop(network: MemoryNetwork())
    let second = loops == 1 ? first : MemoryLoop(network: MemoryNetwork())
    let ends = await withCheckedContinuation {
      (done: CheckedContinuation<(PlainSocket, PlainSocket), Never>) in
      first.execute {
        let pair = PairedStream.pair((first, .inherited), (second, .passedOn("peer")))
        nonisolated(unsafe) let other = pair.second
        let one = PlainSocket.adopt(pair.first, on: first)
        second.execute {
          done.resume(returning: (one, PlainSocket.adopt(other, on: second)))
        }
      }
    }
    try await body(ends.0, ends.1)
    await ends.0.close()
    await ends.1.close()
    await first.shutDown()
    if loops > 1 { await second.shutDown() }
  }

  @Test(arguments: [1, 2])
  func muchDataPassesBothWaysAtOnce(_ loops: Int) async throws {
    try await with(loops: loops) { one, other in
      let (up, down) = (noise(4 << 20, seed: 1), noise(4 << 20, seed: 2))
      for start in stride(from: 0, to: up.count, by: 100_000) {
        await one.send(Array(up[start..<min(up.count, start + 100_000)]))
        await other.send(Array(down[start..<min(down.count, start + 100_000)]))
      }
      await one.finishWriting()
      await other.finishWriting()
      try await one.ended()
      try await other.ended()
      #expect(await one.bytes.elementsEqual(down))
      #expect(await other.bytes.elementsEqual(up))
      #expect(await one.hasEndedInOrder)
      #expect(await other.hasEndedInOrder)
    }
  }

  @Test(arguments: [1, 2])
  func anEndThatHasEndedItsSideStillReceives(_ loops: Int) async throws {
    try await with(loops: loops) { one, other in
      await one.send("request")
      await one.finishWriting()
      try await other.until("the request") { $0.text == "request" && $0.hasEndedInOrder }
      #expect(await one.end == nil)
      await other.send("answer")
      try await one.until("the answer") { $0.text == "answer" }
      await other.finishWriting()
      try await one.ended()
      #expect(await one.hasEndedInOrder)
    }
  }

  /// What nothing reads is queued beyond the capacity, so that its writer waits.
  @Test(arguments: [1, 2])
  func aWriterWaitsForASlowReader(_ loops: Int) async throws {
    try await with(loops: loops) { one, other in
      await other.pauseReading()
      let bytes = noise(PairedStream.capacity + 1_000, seed: 3)
      await one.send(Array(bytes[..<PairedStream.capacity]))
      #expect(await one.queuedBytes == 0)
      await one.send(Array(bytes[PairedStream.capacity...]))
      #expect(await one.queuedBytes == 1_000)
      await other.resumeReading()
      try await one.until("room") { $0.queuedBytes == 0 }
      try await other.until("all bytes") { $0.count == bytes.count }
      #expect(await other.bytes == bytes)
    }
  }

  @Test(arguments: [1, 2])
  func theBytesOfAnEndThatIsClosedInOrderStillArrive(_ loops: Int) async throws {
    try await with(loops: loops) { one, other in
      await other.pauseReading()
      await one.send("all of it")
      await one.finishWriting()
      await one.close()
      await other.resumeReading()
      try await other.ended()
      #expect(await other.text == "all of it")
      #expect(await other.hasEndedInOrder)
    }
  }

  /// A part is never taken for the whole.
  @Test(arguments: [1, 2], [true, false])
  func anEndThatIsClosedEarlyBreaksTheOther(_ loops: Int, resets: Bool) async throws {
    try await with(loops: loops) { one, other in
      await other.pauseReading()
      await one.send("a part")
      if resets {
        await one.finishWriting()
        await one.reset()
      } else {
        await one.close()
      }
      try await other.until("the failure") { $0.hasFailed }
      await other.resumeReading()
      try await other.ended()
      #expect(await other.wasReset)
      #expect(await !other.hasEndedInOrder)
      #expect(await other.count == 0)
    }
  }
}
