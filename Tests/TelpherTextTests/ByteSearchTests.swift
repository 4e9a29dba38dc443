import TelpherText
import Testing

struct ByteSearchTests {
  @Test func aByteIsFoundAtEveryPositionOfBuffersOfEveryLength() {
    for length in 0...70 {
      for wanted in 0..<length {
        var bytes = [UInt8](repeating: 1, count: length)
        bytes[wanted] = 0xFF
        for start in 0...length {
          let found = bytes.withUnsafeBufferPointer { $0.position(of: 0xFF, from: start) }
          #expect(found == (start <= wanted ? wanted : nil))
        }
      }
      let none = [UInt8](repeating: 1, count: length)
        .withUnsafeBufferPointer { $0.position(of: 0, from: 0) }
      #expect(none == nil)
    }
  }

  @Test func theFirstOfSeveralIsFound() {
    let bytes = Array("a/b/c".utf8) + [UInt8](repeating: UInt8(ascii: "/"), count: 40)
    let slash = UInt8(ascii: "/")
    #expect(bytes.withUnsafeBufferPointer { $0.position(of: slash, from: 0) } == 1)
    #expect(bytes.withUnsafeBufferPointer { $0.position(of: slash, from: 2) } == 3)
  }
}
