import TelpherTransport
import Testing

@testable import TelpherClassic

struct UpperDialectTests {
  @Test func onlyASCIILettersChange() {
    let bytes = (0...255).map { UInt8($0) }
    let upper = [UInt8](UpperDialect.upperCase(Chunk(bytes)))
    for (byte, result) in zip(bytes, upper) {
      let isLower = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      #expect(result == (isLower ? byte - 32 : byte))
    }
  }
}
