import Testing

@testable import TelpherClassic

struct LengthPrefixTests {
  static let known: [(Int64, [UInt8])] = [
    (0, [0, 0, 0, 0]), (1, [1, 0, 0, 0]), (5 << 20, [0, 0, 0x50, 0]),
    (Int64(Int32.max), [0xFF, 0xFF, 0xFF, 0x7F]),
  ]

  @Test(arguments: known)
  func bytesEqualThoseOfPythonsStruct(_ count: Int64, _ bytes: [UInt8]) throws {
    #expect(try LengthPrefix.encode(count) == bytes)
    #expect(try LengthPrefix.decode(bytes) == Int(count))
  }

  @Test(arguments: [Int64(Int32.max) + 1, 1 << 32, 5 << 32, .max, -1])
  func countsThatDoNotFitAreRefused(_ count: Int64) {
    let error = #expect(throws: ClassicError.self) { try LengthPrefix.encode(count) }
    #expect(error?.code == .limit)
    #expect(error?.message.contains("\(count)") == true)
  }

  @Test(arguments: [[0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0x80]] as [[UInt8]])
  func negativeLengthsAreRefused(_ bytes: [UInt8]) {
    let error = #expect(throws: ClassicError.self) { try LengthPrefix.decode(bytes) }
    #expect(error?.code == .violation)
  }
}
