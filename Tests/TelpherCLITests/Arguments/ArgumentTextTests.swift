import Testing

@testable import TelpherCLI

struct ArgumentTextTests {
  @Test(
    arguments: [
      [], Array("plain".utf8), Array("ünï ☃ 🎈".utf8), [0xFF, 0xFE], [0x61, 0xC3], [0xC3, 0x28],
      [0xE2, 0x98], [0xED, 0xA0, 0x80], [0xC0, 0xAF], [0xF4, 0x90, 0x80, 0x80],
      // Code points that the escaped text uses for bytes, complete and truncated.
      Array("a\u{10FE80}b\u{10FEFF}".utf8), [0xF4, 0x8F, 0xBB], Array("\u{10FE7F}\u{10FF00}".utf8),
      [0x65, 0xCC, 0x81, 0xFF, 0xCC, 0x81],
    ] as [[UInt8]])
  func anyBytesComeBack(_ bytes: [UInt8]) {
    #expect(ArgumentText.bytes(of: ArgumentText.text(of: bytes)) == bytes)
  }

  @Test func everyPairOfBytesIsRestored() {
    for first in UInt8.min...UInt8.max {
      for second in UInt8.min...UInt8.max {
        let bytes = [first, second]
        guard ArgumentText.bytes(of: ArgumentText.text(of: bytes)) != bytes else { continue }
        Issue.record("\(bytes)")
      }
    }
  }

  @Test func utf8TextIsNotChanged() {
    #expect(ArgumentText.text(of: Array("--name=ü".utf8)) == "--name=ü")
    #expect(ArgumentText.isPlain("--name=ü"))
    #expect(!ArgumentText.isPlain(ArgumentText.text(of: [0xFF])))
    // An argument that is itself an escape code point is not plain: it would be restored as a byte.
    #expect(!ArgumentText.isPlain(ArgumentText.text(of: Array("\u{10FE80}".utf8))))
  }

  @Test func messagesEscapeBytesThatAreNotUTF8() {
    #expect(ArgumentText.shown("no '\(ArgumentText.text(of: [0x61, 0xFF]))'") == "no 'a\\xff'")
  }
}
