import TelpherWire
import Testing

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

  @Test func `An error shows the peer's text escaped`() {
    let error = WireError(.protocolError, "the key 'x\n\u{1B}[31m' is not known")
    #expect(error.message == "the key 'x\\x0a\\x1b[31m' is not known")
    let hello = Array(#"{"version":1,"must":["a\n\u001b[2Jb"]}"#.utf8)
    let end = End(.server)
    #expect { try end.receive(preface + RawFrame(type: 1, payload: hello).bytes) } throws: {
      "\($0)".contains("a\\x0a\\x1b[2Jb")
    }
  }

  @Test func `The reasons of RESET and GOAWAY are escaped`() throws {
    let client = try End.clientWithStream()
    let reason = Array("no\n\u{1B}[2J\u{9B}".utf8) + [0xFF]
    let reset = RawFrame(
      type: 7, stream: 1, payload: big(UInt32(9)) + big(UInt64(0)) + reason)
    let goAway = RawFrame(type: 10, payload: big(UInt32(0)) + big(UInt32(11)) + reason)
    let shown = "no\\x0a\\x1b[2J\\xc2\\x9b\\xff"
    #expect(
      try client.events(reset.bytes + goAway.bytes) == [
        .reset(1, .canceled, reason: shown), .goAway(last: 0, .shuttingDown, reason: shown),
      ])
  }
}
