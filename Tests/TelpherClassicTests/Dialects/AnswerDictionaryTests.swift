import Testing

@testable import TelpherClassic

struct AnswerDictionaryTests {
  private func read(_ json: String) throws -> AnswerDictionary {
    try ClassicJSON.decode(AnswerDictionary.self, from: Array(json.utf8))
  }

  @Test(arguments: [
    #"{"data_size": 5000000000}"#, #"{"total_size": 5000000000, "filename": "a", "md5": "x"}"#,
    #"{"data_size": 5000000000, "total_size": 5000000000, "more": [1, {"a": null}]}"#,
  ])
  func oneOfTheSizesIsEnough(_ json: String) throws {
    #expect(try read(json).size() == 5_000_000_000)
  }

  @Test(arguments: [
    "", "1", "[]", "{", #"{"data_size": "x"}"#, #"{"data_size": 1e30}"#, "\u{0}", "{}",
    #"{"data_size": -1}"#,
  ])
  func invalidDictionariesAreRefused(_ json: String) {
    let error = #expect(throws: ClassicError.self) { try read(json).size() }
    #expect(error?.code == .violation)
  }

  @Test func deepNestingIsRefused() {
    let error = #expect(throws: ClassicError.self) {
      try read(String(repeating: "[", count: ClassicLimits().dictionaryBytes))
    }
    #expect(error?.code == .violation)
  }

  @Test func bothSizesAreWritten() throws {
    let dictionary = AnswerDictionary(dataSize: 7, totalSize: 7, filename: "f", md5: .digits("0"))
    #expect(
      String(decoding: ClassicJSON.encode(dictionary), as: UTF8.self)
        == #"{"data_size":7,"filename":"f","md5":"0","total_size":7}"#)
  }
}
