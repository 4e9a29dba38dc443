import Testing

@testable import TelpherClassic

struct LineBufferTests {
  @Test func linesAreCompleteHoweverTheirBytesArrive() {
    let text = "one\r\ntwo\n\nthree"
    for size in 1...text.utf8.count {
      var buffer = LineBuffer()
      var lines: [String] = []
      let bytes = Array(text.utf8)
      for start in stride(from: 0, to: bytes.count, by: size) {
        buffer.append(Array(bytes[start..<min(start + size, bytes.count)]))
        while let line = buffer.next() { lines.append(String(decoding: line, as: UTF8.self)) }
      }
      #expect(lines == ["one", "two", ""])
      #expect(buffer.count == 5)
      #expect(buffer.rest() == Array("three".utf8))
      #expect(buffer.rest() == nil)
    }
  }
}
