import TelpherTransport
import Testing

struct ReadBufferTests {
  @Test func theSameMemoryServesEachReadIfNoChunkIsKept() {
    var buffer = ReadBuffer()
    let first = buffer.prepare(limit: 1000)
    let storage = ObjectIdentifier(buffer.didFill(1000).storage)
    for _ in 0..<100 {
      let memory = buffer.prepare(limit: 1000)
      #expect(memory.baseAddress == first.baseAddress)
      #expect(ObjectIdentifier(buffer.didFill(10).storage) == storage)
    }
  }

  @Test func aReadWithoutBytesUsesNoMemory() {
    var buffer = ReadBuffer()
    let kept = buffer.read([1, 2, 3])
    let first = buffer.prepare(limit: 1000)
    let second = buffer.prepare(limit: 1000)
    #expect(first.baseAddress == second.baseAddress)
    #expect([UInt8](kept) == [1, 2, 3])
  }

  @Test func keptChunksStayIntact() {
    var buffer = ReadBuffer()
    var kept: [Chunk] = []
    for number in 0..<2000 {
      kept.append(buffer.read([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 997)))
    }
    for (number, chunk) in kept.enumerated() {
      let byte = UInt8(truncatingIfNeeded: number)
      #expect(chunk.withUnsafeBytes { $0.allSatisfy { $0 == byte } })
    }
  }

  @Test func keptChunksShareOneStorageWhileItHasRoom() {
    var buffer = ReadBuffer()
    let first = buffer.read([1])
    let second = buffer.read([2])
    #expect(first.storage === second.storage)
    #expect([UInt8](first) == [1])
    #expect([UInt8](second) == [2])
  }

  @Test func releasedMemoryServesALaterRead() {
    // Other tests use the memory too, so this checks only that it is reused, not when.
    var seen: Set<UnsafeMutableRawPointer> = []
    var isReused = false
    for _ in 0..<1_000 where !isReused {
      isReused = !seen.insert(ChunkStorage(capacity: ReadBuffer.largeRead).memory).inserted
    }
    #expect(isReused)
  }

  @Test func memoryInUseIsNotGivenOutTwice() {
    let storages = (0..<100).map { _ in ChunkStorage(capacity: ReadBuffer.smallRead) }
    #expect(Set(storages.map(\.memory)).count == 100)
  }

  @Test func aReadIsNoLargerThanItsLimit() {
    var buffer = ReadBuffer()
    for limit in [1, 10, 5000, ReadBuffer.smallRead] {
      #expect(buffer.prepare(limit: limit).count == limit)
    }
    #expect(buffer.prepare(limit: 0).count == 1)
    #expect(buffer.prepare(limit: .max).count <= ReadBuffer.largeRead)
  }

  @Test func readsShrinkAsMemoryIsHeld() {
    var buffer = ReadBuffer()
    let busy = ChunkStorage(capacity: ReadBuffer.busyBytes)
    #expect(buffer.prepare(limit: .max).count <= ReadBuffer.mediumRead)
    let crowded = ChunkStorage(capacity: ReadBuffer.crowdedBytes)
    #expect(buffer.prepare(limit: .max).count <= ReadBuffer.smallRead)
    withExtendedLifetime((busy, crowded)) {}
  }

  @Test func newMemoryIsSmallWhileMuchIsHeld() {
    let crowded = ChunkStorage(capacity: ReadBuffer.crowdedBytes)
    var buffer = ReadBuffer()
    var kept: [Chunk] = []
    // After the first memory, which is large, each piece is small.
    for _ in 0..<40 { kept.append(buffer.read([UInt8](repeating: 0, count: 16 * 1024))) }
    #expect(kept.last?.storage.capacity == ReadBuffer.smallRead)
    withExtendedLifetime(crowded) {}
  }
}

extension ReadBuffer {
  /// Does what a loop does for a read that returns `bytes`.
  fileprivate mutating func read(_ bytes: [UInt8]) -> Chunk {
    prepare(limit: bytes.count).copyBytes(from: bytes)
    return didFill(bytes.count)
  }
}
