import TelpherTransport
import Testing

struct ChunkTests {
  @Test func aChunkHoldsACopyOfItsBytes() {
    var bytes: [UInt8] = [1, 2, 3]
    let chunk = Chunk(bytes)
    bytes[0] = 9
    #expect([UInt8](chunk) == [1, 2, 3])
    #expect(chunk.count == 3)
    #expect([UInt8](Chunk("hé")) == [0x68, 0xC3, 0xA9])
  }

  @Test func anEmptyChunkIsEmpty() {
    #expect(Chunk([]).isEmpty)
    #expect([UInt8](Chunk([])) == [])
    #expect(Chunk([]).slice(0..<0).isEmpty)
  }

  @Test func aSliceSharesItsStorage() {
    let chunk = Chunk([0, 1, 2, 3, 4, 5])
    let slice = chunk.slice(2..<5)
    #expect(slice.storage === chunk.storage)
    #expect([UInt8](slice) == [2, 3, 4])
    #expect([UInt8](slice.slice(1..<2)) == [3])
  }

  @Test func removingAPrefixSplitsAChunk() {
    var rest = Chunk([0, 1, 2, 3])
    let prefix = rest.removePrefix(1)
    #expect([UInt8](prefix) == [0])
    #expect([UInt8](rest) == [1, 2, 3])
    #expect(rest.removePrefix(3).count == 3)
    #expect(rest.isEmpty)
  }

  @Test func fillingInPlaceKeepsTheWrittenBytes() {
    let chunk = Chunk(capacity: 100) { memory in
      memory[0] = 7
      memory[1] = 8
      return 2
    }
    #expect([UInt8](chunk) == [7, 8])
    #expect(chunk.storage.capacity == 100)
  }

  @Test func compactingCopiesOnlyASmallPart() {
    let chunk = Chunk([UInt8](repeating: 1, count: 160))
    #expect(chunk.slice(0..<10).compacted().storage === chunk.storage)
    let small = chunk.slice(0..<9).compacted()
    #expect(small.storage !== chunk.storage)
    #expect(small.storage.capacity == 9)
    #expect([UInt8](small) == [UInt8](repeating: 1, count: 9))
  }

  @Test func neighboursInMemoryJoin() {
    let chunk = Chunk([1, 2, 3, 4])
    let joined = chunk.slice(0..<2).joined(with: chunk.slice(2..<3))
    #expect(joined.map { [UInt8]($0) } == [1, 2, 3])
    #expect(joined?.storage === chunk.storage)
    #expect(chunk.slice(0..<2).joined(with: chunk.slice(3..<4))?.count == nil)
    #expect(chunk.slice(2..<3).joined(with: chunk.slice(0..<2))?.count == nil)
    #expect(chunk.slice(0..<2).joined(with: Chunk([3]))?.count == nil)
  }

  @Test func appendingToAnArrayCopies() {
    var bytes: [UInt8] = [1]
    bytes.append(contentsOf: Chunk([2, 3]).slice(1..<2))
    #expect(bytes == [1, 3])
  }

  @Test func storageIsFreedWithItsLastChunk() {
    weak var storage: ChunkStorage?
    var slice: Chunk?
    do {
      let chunk = Chunk([1, 2, 3])
      storage = chunk.storage
      slice = chunk.slice(1..<2)
    }
    #expect(storage != nil)
    #expect(slice?.count == 1)
    slice = nil
    #expect(storage == nil)
  }

  @Test func bytesInUseCountsLivingStorage() {
    // More than all other tests, which run at the same time, can release meanwhile.
    let size = 1 << 30
    let chunk = Chunk(storage: ChunkStorage(capacity: size), range: 0..<0)
    #expect(ChunkStorage.bytesInUse >= size)
    withExtendedLifetime(chunk) {}
  }
}
