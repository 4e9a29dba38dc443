import Testing

@testable import TelpherClassic

struct UploadDictionaryTests {
  private func read(_ json: String) throws -> UploadDictionary {
    try UploadDictionary(parsing: Array(json.utf8), ClassicLimits())
  }

  @Test(arguments: [
    #"{"size": 1000000000000, "filename": "a"}"#,
    #"{"file_size": 1000000000000, "file_name": "x/a", "cmd": "put"}"#,
    #"{"file_size": 1000000000000, "size": 1000000000000, "filename": "\\\\host\\a"}"#,
  ])
  func oneKeyForEachValueIsEnough(_ json: String) throws {
    let dictionary = try read(json)
    #expect(dictionary.size == 1_000_000_000_000)
    #expect(dictionary.name == "a")
    #expect(dictionary.md5 == .missing)
  }

  @Test func digestsAreConvertedToLowerCase() throws {
    let digits = "5D41402ABC4B2A76B9719D911017C592"
    #expect(
      try read(#"{"size": 0, "filename": "a", "md5": "\#(digits)"}"#).md5
        == .digits(digits.lowercased()))
  }

  @Test(arguments: [
    #"{"size": -1, "filename": "a"}"#, #"{"filename": "a"}"#, #"{"size": 1}"#,
    #"{"size": 1099511627777, "filename": "a"}"#, #"{"size": 1e300, "filename": "a"}"#, "{}", "[]",
    #"{"size": "1", "filename": "a"}"#, #"{"size": 1, "filename": 5}"#,
  ])
  func invalidDictionariesAreRefused(_ json: String) {
    #expect(throws: ClassicError.self) { try read(json) }
  }

  @Test func theWrittenDictionaryHasAllKeys() throws {
    let json = UploadDictionary.json(name: "a", size: 5_000_000_000, md5: "0")
    #expect(
      String(decoding: json, as: UTF8.self)
        == #"{"file_name":"a","file_size":5000000000,"filename":"a","md5":"0","size":5000000000}"#)
  }
}
