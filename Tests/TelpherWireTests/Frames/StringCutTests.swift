import Testing

@testable import TelpherWire

@Suite struct StringCutTests {
  @Test func `A text that fits stays as it is`() {
    #expect("abc".cut(toUTF8: 3) == "abc")
    #expect("".cut(toUTF8: 0).isEmpty)
  }

  @Test(arguments: zip(0...8, ["", "a", "a", "aé", "aé", "aé", "aé", "aé😀", "aé😀b"]))
  func `A longer text is cut between characters`(count: Int, expected: String) {
    #expect("aé😀b".cut(toUTF8: count) == expected)
  }
}
