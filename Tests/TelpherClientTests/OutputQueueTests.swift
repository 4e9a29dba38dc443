import TelpherTransport
import Testing

@testable import TelpherClient

struct OutputQueueTests {
  @Test func chunksAreTakenInOrder() throws {
    let queue = OutputQueue(.stream)
    for byte in UInt8(0)..<100 {
      #expect(try queue.receive(Chunk([byte])) == 0)
    }
    #expect(queue.unread == 100)
    for byte in UInt8(0)..<100 {
      let (chunk, credit) = try #require(queue.take())
      #expect([UInt8](chunk) == [byte])
      #expect(credit == 1)
    }
    #expect(queue.take()?.chunk == nil)
    #expect(queue.unread == 0)
  }

  /// Otherwise memory that is not needed any more would count as used and make all reads small.
  @Test func aTakenChunkIsReleasedWhileOthersWait() throws {
    let queue = OutputQueue(.stream)
    _ = try queue.receive(Chunk([1]))
    _ = try queue.receive(Chunk([2]))
    weak var storage: ChunkStorage?
    do {
      let chunk = try #require(queue.take()).chunk
      storage = chunk.storage
      #expect(storage != nil)
    }
    #expect(storage == nil)
    #expect(queue.unread == 1)
  }
}
