import Testing

@testable import TelpherWire

struct PathTextTests {
  @Test(arguments: [
    (Array("a b/ä漢".utf8), "a b/ä漢"), ([0x61, 0xFF, 0x62], #"a\xffb"#),
    (Array("a\n\u{1B}\u{7F}".utf8), #"a\x0a\x1b\x7f"#), (Array(#"a\b"#.utf8), #"a\\b"#),
    (Array("\u{202E}".utf8), #"\xe2\x80\xae"#), ([], ""),
  ])
  func aPersonSeesWhatIsThere(_ bytes: [UInt8], _ text: String) {
    #expect(PathText(bytes).description == text)
  }

  @Test func backslashesOfASentenceAreKept() {
    #expect(PathText("no 'a\\x0a'\n").shown(escapingBackslashes: false) == "no 'a\\x0a'\\x0a")
  }
}
