import TelpherLink
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import TelpherWire
import Testing

/// Small chunks with credit go straight into the gathered frames.
@Suite(.timeLimit(.minutes(15))) struct SmallChunkTests {
  @Test func smallChunksOfATurnAreFramesOfOneWrite() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn { $0.stream.deliver(open(1, "{}")) }
      let before = await stubbed.turn { stubbed in
        let before = stubbed.stream.writes
        let outbound = stubbed.link.outbound(1, .stdout)
        #expect(outbound.send(Chunk("ab")) && outbound.send(Chunk("c")))
        #expect(outbound.sentBytes == 3)
        outbound.finish()
        return before
      }
      await stubbed.turn {
        let frames = $0.stream.frames.filter { $0.type == 3 }
        #expect(frames.map { String(decoding: $0.payload, as: UTF8.self) } == ["ab", "c", ""])
        #expect(frames.last?.isFin == true)
        #expect($0.stream.writes == before + 1)
      }
    }
  }

  /// The credit is 5 bytes: the second chunk must wait, whole or in part, and its producer too.
  @Test func aChunkBeyondTheCreditWaitsForMore() async throws {
    try await StubbedLink.with(clientHello: #"{"version":1,"window":5}"#) { stubbed in
      await stubbed.turn { $0.stream.deliver(open(1, "{}")) }
      await stubbed.turn { stubbed in
        let outbound = stubbed.link.outbound(1, .stdout)
        #expect(outbound.send(Chunk("abcd")))
        #expect(!outbound.send(Chunk("efg")))
        outbound.onReady = { outbound.finish() }
      }
      await stubbed.turn { #expect($0.stream.dataBytes(1) == 5) }
      await stubbed.turn { $0.stream.deliver(window(1, 1, 100)) }
      await stubbed.turn {
        let data = $0.stream.frames.filter { $0.type == 3 }
        #expect(String(decoding: data.flatMap(\.payload), as: UTF8.self) == "abcdefg")
        #expect(data.last?.isFin == true)
      }
    }
  }

  /// Exactly the whole credit: the chunk is sent, and the producer waits for the next credit.
  @Test func aChunkThatUsesUpTheCreditMakesItsProducerWait() async throws {
    try await StubbedLink.with(clientHello: #"{"version":1,"window":4}"#) { stubbed in
      await stubbed.turn { $0.stream.deliver(open(1, "{}")) }
      await stubbed.turn { stubbed in
        let outbound = stubbed.link.outbound(1, .stdout)
        #expect(!outbound.send(Chunk("abcd")))
        outbound.onReady = {
          #expect(outbound.send(Chunk("e")))
          outbound.finish()
        }
      }
      await stubbed.turn { $0.stream.deliver(window(1, 1, 100)) }
      await stubbed.turn { #expect($0.stream.dataBytes(1) == 5) }
    }
  }

  /// A channel refers to its link without counting. The link cancels its channels before it goes.
  @Test func aChannelThatOutlivesItsLinkSendsNothing() async {
    let loop = MemoryLoop()
    let holder = LinkHolder()
    func turn(_ body: @escaping @Sendable () -> Void) async {
      await withCheckedContinuation { continuation in
        loop.execute {
          body()
          continuation.resume()
        }
      }
    }
    await turn {
      let link = Link(role: .client, stream: StubStream(), loop: loop, hello: Hello())
      (holder.link, holder.released) = (link, link)
      holder.channels = (0..<3).compactMap { _ in
        guard let stream = try? link.open(Array("{}".utf8), noInput: false) else { return nil }
        return link.outbound(stream, .stdin)
      }
      #expect(holder.channels.count == 3)
      _ = holder.channels[1].send(Chunk("x"))
    }
    // The loop holds the link until the end of the turn in which it gathered frames.
    await turn { holder.link = nil }
    await turn {
      #expect(holder.released == nil)
      for channel in holder.channels {
        #expect(!channel.send(Chunk("late")))
        #expect(channel.credit == 0 && channel.awaitCredit() == 0)
        #expect(channel.takeBack() != nil)
        channel.finish()
      }
    }
    await loop.shutDown()
  }

  /// The delegate is loaded once a read: one that is handed over in between gets the next event.
  @Test func aDelegateGetsTheEventsAfterItsHandOver() async throws {
    try await StubbedLink.with { stubbed in
      await stubbed.turn { stubbed in
        nonisolated(unsafe) let second = Delegate()
        stubbed.delegate.onOpen = { [unowned stubbed] stream in
          stubbed.assumeIsolated { $0.link.handOver(to: second) }
        }
        stubbed.stream.deliver(
          open(1, "{}", noInput: false), data(1, 0, [1]), open(3, "{}"))
        #expect(stubbed.delegate.opened == [1])
        #expect(second.opened == [3])
      }
    }
  }
}

/// Holds a link and its channels from turn to turn. Use it only on the loop's thread.
private final class LinkHolder: @unchecked Sendable {
  var link: Link?
  weak var released: Link?
  var channels: [OutboundChannel] = []
}
