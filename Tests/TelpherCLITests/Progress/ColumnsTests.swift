import Testing

@testable import TelpherCLI

struct ColumnsTests {
  @Test func wideCharactersAndCombiningMarksAreMeasured() {
    #expect(Columns.count("abc") == 3)
    #expect(Columns.count("漢字") == 4)
    #expect(Columns.count("e\u{301}") == 1)
    #expect(Columns.count("🙂") == 2)
  }

  @Test func textThatFitsIsNotChanged() {
    #expect(Columns.shortened("name", to: 4) == "name")
  }

  @Test func longNamesAreShortenedInTheMiddle() {
    #expect(Columns.shortened("abcdefghij", to: 5) == "ab…ij")
    #expect(Columns.shortened("abcdefghij", to: 6) == "abc…ij")
    #expect(Columns.shortened("abc", to: 1) == "…")
    #expect(Columns.shortened("abc", to: 0) == "")
  }

  @Test(arguments: 0...20)
  func shortenedTextIsNeverWiderThanTheLimit(_ limit: Int) {
    for text in ["abcdefghijklmnopqrstuvwxyz", "漢字漢字漢字漢字漢字", "a漢b字c漢d字e🙂"] {
      #expect(Columns.count(Columns.shortened(text, to: limit)) <= limit)
    }
  }

  @Test func paddingFillsToTheWidth() {
    #expect(Columns.padded("漢", to: 4) == "漢  ")
    #expect(Columns.padded("7", to: 3, isRightAligned: true) == "  7")
    #expect(Columns.padded("long", to: 2) == "long")
  }
}
