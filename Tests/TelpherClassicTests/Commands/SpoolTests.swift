import TelpherTransport
import Testing

@testable import TelpherClassic

struct SpoolTests {
  private func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
  }

  private func all(_ spool: Spool) async throws -> [UInt8] {
    var all: [UInt8] = []
    try await spool.forEach { (chunk) throws(ClassicError) in all.append(contentsOf: chunk) }
    return all
  }

  @Test(arguments: [1, 1_000, 70_000], [0, 5_000, 1 << 30])
  func allBytesAreReturned(_ size: Int, _ limit: Int) async throws {
    let spool = Spool(memoryLimit: limit)
    var expected: [UInt8] = []
    for number in 0..<20 {
      let piece = bytes(size + number)
      try await spool.append(Chunk(piece))
      expected += piece
    }
    #expect(spool.count == Int64(expected.count))
    #expect(try await all(spool) == expected)
    // A spool is read twice: for the digest and for the client.
    #expect(try await all(spool) == expected)
  }

  @Test func theDigestCoversTheWholeAnswer() async throws {
    #expect(try await Answer(note: []).md5() == "d41d8cd98f00b204e9800998ecf8427e")
    #expect(try await Answer(note: Array("abc".utf8)).md5() == "900150983cd24fb0d6963f7d28e17f72")
  }
}
