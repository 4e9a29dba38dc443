import TelpherHosts
import TelpherTestSupport
import TelpherTransport
import Testing

@testable import TelpherCLI

struct OutputStoreTests {
  @Test func `Outputs come back as they were, short or long`() async throws {
    var random = SeededGenerator(seed: 5)
    let store = OutputStore(limit: 1 << 20, environment: [:])
    for round in 0..<30 {
      var output = OutputStore.Output()
      var expected: [UInt8] = []
      for _ in 0..<Int.random(in: 0...8, using: &random) {
        let piece = (0..<Int.random(in: 1...60_000, using: &random)).map {
          UInt8(truncatingIfNeeded: $0 + round)
        }
        try await store.add(Chunk(piece), to: &output)
        expected += piece
      }
      try await store.finish(&output)
      #expect(try await store.bytes(of: output) == expected)
      #expect(output.count == expected.count && output.isEmpty == expected.isEmpty)
      // Later rounds use the freed memory again.
      if round % 2 == 0 { await store.discard(output) }
    }
  }

  @Test func `Equal bytes have equal keys, however they were divided`() async throws {
    let store = OutputStore(limit: 1 << 20, environment: [:])
    var (one, two, other) = (OutputStore.Output(), OutputStore.Output(), OutputStore.Output())
    try await store.add(Chunk("abc"), to: &one)
    for letter in ["a", "bc"] { try await store.add(Chunk(letter), to: &two) }
    try await store.add(Chunk("abd"), to: &other)
    #expect(one.key == two.key && one.key != other.key)
  }

  @Test func `An output that is too long is an error`() async throws {
    let store = OutputStore(limit: 3 << 20, environment: [:])
    var output = OutputStore.Output()
    let block = Chunk([UInt8](repeating: 1, count: 1 << 20))
    for _ in 0..<3 { try await store.add(block, to: &output) }
    await #expect(throws: Failure("the output is longer than 3 MiB", kind: "output_limit")) {
      var output = output
      try await store.add(Chunk("x"), to: &output)
    }
  }

  @Test func `A freed range is used again`() throws {
    let file = try SpillFile(environment: [:])
    func append(_ byte: UInt8, _ count: Int) throws -> Range<Int> {
      let start = try [UInt8](repeating: byte, count: count).withUnsafeBytes { try file.append($0) }
      return start..<(start + count)
    }
    let (first, second) = (try append(1, 100), try append(2, 50))
    file.free(first)
    #expect(try append(3, 60) == 0..<60)
    #expect(try append(4, 40) == 60..<100)
    #expect(try append(5, 1) == 150..<151)
    #expect(try file.read(second) == [UInt8](repeating: 2, count: 50))
    #expect(try file.read(0..<60) == [UInt8](repeating: 3, count: 60))
  }

  @Test func `Without a folder for temporary files there is an error`() {
    #expect(throws: Failure.self) { try SpillFile(environment: ["TMPDIR": "/none"]) }
  }

  @Test func `The live line has counts and the time left`() {
    let success = HostState.done(HostResult(status: 0, text: "", isComplete: true))
    var plan = FanOut(count: 4, limits: .init(width: 2))
    _ = plan.start()
    #expect(FanOutStatus.text(plan, seconds: 9) == "0/4 done  2 running")
    _ = plan.didEnd(0, success)
    #expect(FanOutStatus.text(plan, seconds: 3) == "1/4 done  2 running  0:09 left")
    _ = plan.didEnd(1, .lost("x"))
    _ = plan.stop(.interrupted)
    #expect(FanOutStatus.text(plan, seconds: 3) == "2/4 done  2 running  1 failed  stopping")
  }
}
