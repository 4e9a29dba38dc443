import Synchronization
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

struct TransferPortTests {
  @Test func adjacentChunksAreReceivedAsOne() throws {
    let port = TransferPort {}
    let read = Chunk(Array(0..<100))
    for start in stride(from: 0, to: 100, by: 10) {
      port.deliver(read.slice(start..<(start + 10)), on: .file)
    }
    let apart = Chunk(Array(100..<110))
    port.deliver(apart, on: .file)
    let first = try #require(try port.receive(.file))
    #expect([UInt8](first) == Array(0..<100))
    #expect(first.storage === read.storage)
    #expect(try port.receive(.file).map { [UInt8]($0) } == Array(100..<110))
    #expect(try port.poll(.file)?.count == nil)
    #expect(port.takeChanges().takenBytes == [.file: 110])
  }

  /// Memory that is not released counts as in use, and makes all reads smaller.
  @Test func receivedChunkIsReleasedWhileAnotherWaits() throws {
    let port = TransferPort {}
    port.deliver(Chunk([1]), on: .file)
    port.deliver(Chunk([2]), on: .file)
    weak var storage: ChunkStorage?
    do {
      let chunk = try #require(try port.receive(.file))
      storage = chunk.storage
      #expect(storage != nil)
    }
    #expect(storage == nil)
    #expect(try port.receive(.file).map { [UInt8]($0) } == [2])
  }

  /// Each notification wakes the loop, which sends credit only for half a window.
  @Test func loopIsNotifiedAfterAnEighthOfTheWindow() throws {
    let notifications = Mutex(0)
    let port = TransferPort(windows: (file: 800, index: 80)) { notifications.withLock { $0 += 1 } }
    for _ in 0..<4 {
      port.deliver(Chunk([UInt8](repeating: 0, count: 25)), on: .file)
    }
    for portion in 0..<4 {
      #expect(notifications.withLock { $0 } == 0, "\(portion) quarters")
      _ = try port.receive(.file)
    }
    #expect(notifications.withLock { $0 } == 1)
    let taken = port.takeChanges().takenBytes
    #expect(taken == [.file: 100])
    port.deliver(Chunk([UInt8](repeating: 0, count: 10)), on: .index)
    _ = try port.receive(.index)
    #expect(notifications.withLock { $0 } == 2, "each channel has a window of its own")
  }

  /// The peer may be out of credit and wait too.
  @Test func loopIsNotifiedOfTakenBytesBeforeTheWorkerWaits() throws {
    let notifications = Mutex(0)
    let port = TransferPort { notifications.withLock { $0 += 1 } }
    port.deliver(Chunk([1]), on: .file)
    _ = try port.receive(.file)
    #expect(notifications.withLock { $0 } == 0)
    _ = try port.message(until: 0) { $0 == .restart ? true : nil }
    #expect(notifications.withLock { $0 } == 1)
    let taken = port.takeChanges().takenBytes
    #expect(taken == [.file: 1])
    port.deliver(Chunk([2]), on: .index)
    _ = try port.receive(.index)
    port.deliverEnd(of: .index)
    #expect(try port.receive(.index) == nil)
    #expect(notifications.withLock { $0 } == 2)
  }

  @Test func chunkIsNotJoinedToOneThatWasTaken() throws {
    let port = TransferPort {}
    let read = Chunk(Array(0..<100))
    port.deliver(read.slice(0..<50), on: .file)
    #expect(try port.receive(.file)?.count == 50)
    port.deliver(read.slice(50..<100), on: .file)
    #expect(try port.receive(.file).map { [UInt8]($0) } == Array(50..<100))
  }

  @Test func endComesAfterTheQueuedChunks() throws {
    let port = TransferPort {}
    port.deliver(Chunk([1]), on: .index)
    port.deliverEnd(of: .index)
    #expect(try port.receive(.index)?.count == 1)
    #expect(try port.receive(.index)?.count == nil)
  }

  @Test func chunksThatArrivedBeforeALostConnectionAreReceived() throws {
    let port = TransferPort {}
    port.deliver(Chunk([1]), on: .file)
    port.end(FileError(.lost, "the connection was lost"))
    #expect(try port.receive(.file)?.count == 1)
    #expect(throws: FileError.self) { try port.receive(.file) }
  }
}
