import TelpherLink
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

@Suite(.timeLimit(.minutes(15))) struct FairnessTests {
  private static let streams: [UInt32] = [1, 3, 5]

  /// Starts producers on all streams, each with much more than it is allowed to send.
  private func start(_ stubbed: StubbedLink) async {
    await stubbed.turn { stubbed in
      for stream in Self.streams { stubbed.stream.deliver(open(stream, "{}")) }
      for stream in Self.streams { stubbed.produce(stream, total: 100_000_000) }
    }
  }

  /// The connection's credit is the bottleneck: each grant is less than any one stream could use.
  @Test(arguments: [1_000, 50_000, 200_000])
  func scarceCreditOfTheConnectionGoesToEachStreamInTurn(_ grant: UInt64) async throws {
    try await StubbedLink.with(
      clientHello: #"{"version":1,"window":100000000,"connection_window":1000}"#
    ) { stubbed in
      await start(stubbed)
      for round in 1...30 {
        await stubbed.turn { $0.stream.deliver(window(0, 0, 1_000 + grant * UInt64(round))) }
      }
      let sent = await stubbed.turn { stubbed in Self.streams.map { stubbed.stream.dataBytes($0) } }
      let all = 30 * Int(grant) + 1_000
      #expect(sent.reduce(0, +) == all)
      // The first stream had the initial credit; else none is ahead by more than two grants.
      for bytes in sent { #expect(abs(bytes - all / 3) <= 2 * Int(grant) + 1_000) }
    }
  }

  /// A peer that grants a few bytes at a time gives each stream a share, too.
  @Test func manySmallGrantsInOneReadAreShared() async throws {
    try await StubbedLink.with(
      clientHello: #"{"version":1,"window":100000000,"connection_window":0}"#
    ) { stubbed in
      await start(stubbed)
      for round in 0..<12 {
        let grants = (1...10).flatMap { window(0, 0, UInt64(round * 1_000 + $0 * 100)) }
        await stubbed.turn { $0.stream.deliver(grants) }
      }
      await stubbed.turn { stubbed in
        for stream in Self.streams { #expect(stubbed.stream.dataBytes(stream) == 4_000) }
      }
    }
  }

  @Test func aStreamWithoutCreditTakesNoneOfTheOthers() async throws {
    try await StubbedLink.with(
      clientHello: #"{"version":1,"window":1000,"connection_window":10000000}"#
    ) { stubbed in
      await start(stubbed)
      await stubbed.turn {
        $0.stream.deliver(window(3, 1, 3_000_000))
        $0.stream.deliver(window(5, 1, 2_000_000))
      }
      let sent = await stubbed.turn { stubbed in Self.streams.map { stubbed.stream.dataBytes($0) } }
      #expect(sent == [1_000, 3_000_000, 2_000_000])
    }
  }

  /// The connection accepts one write at a time: the streams take turns of a quantum.
  @Test func bulkStreamsAlternate() async throws {
    try await StubbedLink.with(
      clientHello: #"{"version":1,"window":100000000,"connection_window":1000000000}"#
    ) { stubbed in
      await stubbed.turn { $0.stream.queuesWrites = true }
      await start(stubbed)
      for _ in 0..<60 {
        await stubbed.turn {
          $0.stream.becomeWritable()
          $0.stream.queuesWrites = true
        }
      }
      // A first write went before the others had anything.
      let sent = await stubbed.turn { stubbed in Self.streams.map { stubbed.stream.dataBytes($0) } }
      let (least, most) = (sent.min() ?? 0, sent.max() ?? 0)
      #expect(least > 500_000)
      #expect(most - least <= 3 * 64 * 1024)
    }
  }

  /// Blocks and grants at random: all bytes arrive, each channel ends once, and `StubStream` checks
  /// that nothing is written after the end.
  @Test(arguments: 0..<40)
  func everyByteIsSentWhateverBlocks(_ seed: Int) async throws {
    try await StubbedLink.with(
      clientHello: #"{"version":1,"window":500,"connection_window":1500}"#
    ) { stubbed in
      var random = SeededGenerator(seed: UInt64(seed))
      let total = 200_000
      await stubbed.turn { stubbed in
        for stream in Self.streams { stubbed.stream.deliver(open(stream, "{}")) }
        for stream in Self.streams { stubbed.produce(stream, total: total, size: 7_000) }
      }
      var limits: [UInt32: UInt64] = [0: 1_500, 1: 500, 3: 500, 5: 500]
      let all = UInt64(total)
      while limits != [0: 3 * all, 1: all, 3: all, 5: all] {
        let (step, stream) = (
          UInt64.random(in: 1...60_000, using: &random),
          ([0] + Self.streams).randomElement(using: &random) ?? 0
        )
        limits[stream] = min((limits[stream] ?? 0) + step, stream == 0 ? 3 * all : all)
        let (limit, blocks, isFirst) = (
          limits[stream] ?? 0, Int.random(in: 0..<4, using: &random),
          Bool.random(using: &random)
        )
        await stubbed.turn {
          if isFirst, blocks == 0 { $0.stream.queuesWrites = true }
          $0.stream.deliver(window(stream, stream == 0 ? 0 : 1, limit))
          if !isFirst, blocks == 0 { $0.stream.queuesWrites = true }
          if blocks == 1, $0.stream.queuedBytes > 0 { $0.stream.becomeWritable() }
        }
      }
      await stubbed.turn {
        $0.stream.queuesWrites = false
        if $0.stream.queuedBytes > 0 { $0.stream.becomeWritable() }
        // A frame that was gathered while the stream blocked nothing is written with the next.
        $0.link.ping(1)
      }
      await stubbed.turn { stubbed in
        for stream in Self.streams {
          #expect(stubbed.stream.dataBytes(stream) == total)
          #expect(stubbed.stream.frames.filter { $0.isFin && $0.stream == stream }.count == 1)
        }
      }
    }
  }
}
