import Testing

@testable import TelpherText

@Suite struct ShownTextTests {
  @Test(arguments: [
    ("plain text, 'quoted'", "plain text, 'quoted'"), ("ä€🚲", "ä€🚲"), ("a\nb", "a\\x0ab"),
    ("\u{1B}[2J", "\\x1b[2J"), ("\r\t\u{7F}", "\\x0d\\x09\\x7f"), ("\u{9B}31m", "\\xc2\\x9b31m"),
    ("a\u{202E}b", "a\\xe2\\x80\\xaeb"), ("\u{2066}", "\\xe2\\x81\\xa6"),
    ("\u{200B}\u{FEFF}", "\\xe2\\x80\\x8b\\xef\\xbb\\xbf"), ("\u{2028}", "\\xe2\\x80\\xa8"),
    ("\u{061C}", "\\xd8\\x9c"), ("\u{E0041}", "\\xf3\\xa0\\x81\\x81"),
    ("👩\u{200D}🔧", "👩\u{200D}🔧"), ("a\\b", "a\\b"), ("", ""),
  ])
  func `Unsafe characters are escaped, and escaped text stays the same`(
    _ text: String, _ shown: String
  ) {
    #expect(ShownText.escaped(text) == shown)
    #expect(ShownText.escaped(shown) == shown)
    #expect(ShownText.escaped(Array(text.utf8)) == shown)
  }

  @Test func `Each byte that is not UTF-8 is escaped`() {
    #expect(ShownText.escaped([0x61, 0xFF, 0xC3, 0x62]) == "a\\xff\\xc3b")
    #expect(ShownText.escaped([0xE2, 0x80]) == "\\xe2\\x80")
    #expect(ShownText.escaped([0x5C], escapingBackslashes: true) == "\\\\")
  }
}
