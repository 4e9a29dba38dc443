import TelpherText
import Testing

struct ExactTextTests {
  /// `String` takes the two of each pair for equal.
  @Test(arguments: [("\u{E9}", "e\u{301}"), ("K", "\u{212A}"), ("\u{3A9}", "\u{2126}")])
  func `Texts with different bytes are different`(_ a: String, _ b: String) {
    #expect(a == b)
    #expect(ExactText(a) != ExactText(b))
    #expect(Set([ExactText(a), ExactText(b)]).count == 2)
    #expect((ExactText(a) < ExactText(b)) != (ExactText(b) < ExactText(a)))
  }

  @Test func `Texts with the same bytes are equal`() {
    // One is in the memory of another string, the other has its own.
    let part = ExactText(String("the name é of a file".dropFirst(4)))
    let whole = ExactText("name é of a file")
    #expect(part == whole)
    #expect(part.hashValue == whole.hashValue)
    #expect(ExactText("") == "" && ExactText("a") < "b" && "a" < ExactText("aa"))
  }
}
