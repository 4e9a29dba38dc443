import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

/// The memory limit of a listing at the client.
@Suite(.timeLimit(.minutes(1))) struct EntryListTests {
  private func list(
    _ server: @escaping @Sendable (TransferPort) throws(FileError) -> Void
  ) async -> Result<[FileEntry], FileError> {
    await PortPair().run(server) { (port) throws(FileError) in
      try EntryList.receive(from: port, limit: 2 << 20)
    }.1
  }

  @Test func completeListingIsReceived() async throws {
    let entries = try await list { (port) throws(FileError) in
      for number in 0..<10 {
        port.sendRecord(
          TreeRecord.entry(FileEntry(path: PathText("\(number)"), kind: .file, size: 1)))
      }
      port.finish(.index)
    }.get()
    #expect(entries.map(\.path) == (0..<10).map { PathText("\($0)") })
  }

  /// Without the limit this test would never end: the server lists without end.
  @Test(arguments: [4_000, 1]) func endlessListingIsRefused(_ length: Int) async throws {
    let path = PathText([UInt8](repeating: UInt8(ascii: "x"), count: length))
    let record = TreeRecord.entry(FileEntry(path: path, kind: .file, size: 1)).encoded()
    let block = Array(repeatElement(record, count: 100_000 / record.count).joined())
    let result = await list { (port) throws(FileError) in
      while true {
        port.enqueue(Chunk(block), on: .index)
        try port.waitForRoom()
      }
    }
    let error = #expect(throws: FileError.self) { try result.get() }
    #expect(error?.code == .tooLarge)
    #expect(error?.message.hasPrefix("the listing takes more than 2 MiB") == true)
  }
}
