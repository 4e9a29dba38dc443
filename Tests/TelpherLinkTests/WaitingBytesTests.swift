import TelpherTestSupport
import TelpherTransport
import Testing

@testable import TelpherLink

/// The bytes of a channel that wait to be passed on.
struct WaitingBytesTests {
  @Test(arguments: 1...5)
  func bytesKeepTheirOrder(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var waiting = WaitingBytes()
    var (sent, passed): ([UInt8], [UInt8]) = ([], [])
    for _ in 0..<200 {
      if Bool.random(using: &generator) {
        let count =
          Int.random(in: 0...3, using: &generator) == 0
          ? Int.random(in: 1...40_000, using: &generator)
          : Int.random(in: 1...50, using: &generator)
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
        sent += bytes
        waiting.append(Chunk(bytes))
      } else if let chunk = waiting.next() {
        passed += [UInt8](chunk)
      }
    }
    while let chunk = waiting.next() { passed += [UInt8](chunk) }
    #expect(sent == passed)
    #expect(waiting.isEmpty)
  }

  @Test func shortPiecesTakeFewChunks() {
    var waiting = WaitingBytes()
    for _ in 0..<100_000 { waiting.append(Chunk([1])) }
    var chunks = 0
    while waiting.next() != nil { chunks += 1 }
    #expect(chunks <= 100_000 / WaitingBytes.gatheredLength + 1)
  }

  @Test func removeAllLeavesNothing() {
    var waiting = WaitingBytes()
    waiting.append(Chunk([1]))
    waiting.append(Chunk([UInt8](repeating: 2, count: 10_000)))
    waiting.removeAll()
    #expect(waiting.isEmpty)
    #expect(waiting.next() == nil)
  }
}
