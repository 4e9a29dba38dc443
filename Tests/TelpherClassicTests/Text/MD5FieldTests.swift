import Testing

@testable import TelpherClassic

struct MD5FieldTests {
  private struct Dictionary: Codable { var md5: MD5Field? }

  private func read(_ json: String) throws -> MD5Field? {
    try ClassicJSON.decode(Dictionary.self, from: Array(json.utf8)).md5
  }

  @Test func onlyThirtyTwoHexadecimalDigitsAreADigest() throws {
    let digits = "5D41402ABC4B2A76B9719D911017C592"
    #expect(try read(#"{"md5": "\#(digits)"}"#) == .digits(digits.lowercased()))
    for text in ["xxxdxxxx", "", "0123", digits + "0", String(repeating: "x", count: 32)] {
      guard case .placeholder = try read(#"{"md5": "\#(text)"}"#) else {
        Issue.record("'\(text)' is no placeholder")
        continue
      }
    }
  }

  @Test(arguments: ["1", "[]", "{}", "true"])
  func aValueThatIsNoStringIsAPlaceholder(_ value: String) throws {
    guard case .placeholder = try read(#"{"md5": \#(value)}"#) else {
      Issue.record("\(value) is no placeholder")
      return
    }
  }

  @Test func nullMeansNoDigest() throws {
    #expect(try read(#"{"md5": null}"#) == nil)
    #expect(try read("{}") == nil)
  }

  @Test func aPlaceholderIsShortenedAndEscaped() {
    #expect(MD5Field("a\n\u{1B}") == .placeholder(#""a\n\u{1B}""#))
    guard case .placeholder(let shown) = MD5Field(String(repeating: "x", count: 10_000)) else {
      Issue.record("a long text is no placeholder")
      return
    }
    #expect(shown.count < 100)
  }
}
