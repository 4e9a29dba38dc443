import Testing

@testable import TelpherClassic

struct TimeDialectTests {
  private func answer(_ format: String, _ options: ClassicServerOptions = .init()) -> String {
    String(decoding: TimeDialect.answer(Array(format.utf8), at: 0, options), as: UTF8.self)
  }

  @Test func anEmptyFormatMeansDateAndTime() {
    #expect(answer("") == answer("%Y-%m-%d %X"))
    #expect(answer("").wholeMatch(of: /(1970-01-01|1969-12-31) \d\d:\d\d:\d\d/) != nil)
  }

  @Test func theFormatIsUsed() {
    #expect(answer("%s") == "0")
    #expect(answer("100 %%, 年") == "100 %, 年")
  }

  @Test func theTimeIsConvertedToTheEncoding() {
    var options = ClassicServerOptions()
    options.encoding = "gbk"
    #expect(answer("%%", options) == "%")
    #expect(TimeDialect.answer(Array("年".utf8), at: 0, options) == [0xC4, 0xEA])
  }

  @Test(arguments: ["%100000d", String(repeating: "x", count: 1_025), "%Y\u{0}%m"])
  func invalidFormatsAreAnsweredWithANote(_ format: String) {
    #expect(answer(format).hasPrefix("telpher: "))
  }
}
