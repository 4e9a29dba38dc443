import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFiles

struct TransferPortTests {
  @Test func whatCameInPiecesIsTakenAsOneWhereItLiesTogether() throws {
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
    #expect(port.monitor.withLock { $0.taken[.file] } == 110)
  }

  @Test func aPieceBehindOneThatWasTakenStandsForItself() throws {
    let port = TransferPort {}
    let read = Chunk(Array(0..<100))
    port.deliver(read.slice(0..<50), on: .file)
    #expect(try port.receive(.file)?.count == 50)
    port.deliver(read.slice(50..<100), on: .file)
    #expect(try port.receive(.file).map { [UInt8]($0) } == Array(50..<100))
  }

  @Test func theEndComesBehindWhatIsLeft() throws {
    let port = TransferPort {}
    port.deliver(Chunk([1]), on: .index)
    port.deliverEnd(of: .index)
    #expect(try port.receive(.index)?.count == 1)
    #expect(try port.receive(.index)?.count == nil)
  }

  @Test func whatHadComeBeforeTheConnectionWasLostIsStillGivenOut() throws {
    let port = TransferPort {}
    port.deliver(Chunk([1]), on: .file)
    port.end(FileError(.lost, "the connection was lost"))
    #expect(try port.receive(.file)?.count == 1)
    #expect(throws: FileError.self) { try port.receive(.file) }
  }
}
