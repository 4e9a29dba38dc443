import Foundation
import TelpherJSON
import TelpherTestSupport
import Testing

/// Compares this module with Foundation's coder, which read and wrote the same messages before.
struct FoundationComparisonTests {
  /// What decoding gives: the value, or the kind of error and the keys that lead to it.
  private enum Outcome<Value: Equatable>: Equatable {
    case value(Value)
    case wrongType([String])
    case missingKey(String, [String])
    case unusable([String])
    case notJSON

    var isError: Bool { if case .value = self { false } else { true } }

    init(_ decode: () throws -> Value) {
      func path(_ context: DecodingError.Context) -> [String] {
        context.codingPath.map(\.stringValue)
      }
      do { self = .value(try decode()) } catch DecodingError.typeMismatch(_, let context) {
        self = .wrongType(path(context))
      } catch DecodingError.keyNotFound(let key, let context) {
        self = .missingKey(key.stringValue, path(context))
      } catch DecodingError.valueNotFound(_, let context) {
        // The messages do not tell a value that is null from one of another type.
        self = .wrongType(path(context))
      } catch DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty {
        self = .unusable(path(context))
      } catch {
        self = .notJSON
      }
    }
  }

  private static func check<Value: Decodable & Equatable>(
    _ type: Value.Type, _ json: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let ours = Outcome { try JSONDecoding.decode(type, from: json) }
    let theirs = Outcome { try JSONDecoder().decode(type, from: Data(json)) }
    // Foundation does not look at all parts of a text, so it may report another error.
    if case .notJSON = ours, theirs.isError { return }
    if case .notJSON = ours, hasTrailingComma(json) { return }
    // Foundation does not say which keys lead to a number that the type can't represent.
    if case .unusable = ours, case .notJSON = theirs { return }
    #expect(
      ours == theirs, "\(String(decoding: json, as: UTF8.self)) as \(type)",
      sourceLocation: sourceLocation)
  }

  /// Whether a comma stands before the end of an array or object. Foundation accepts that.
  private static func hasTrailingComma(_ json: [UInt8]) -> Bool {
    let text = json.filter { !" \n\r\t".utf8.contains($0) }
    return zip(text, text.dropFirst()).contains {
      $0 == UInt8(ascii: ",") && ($1 == UInt8(ascii: "]") || $1 == UInt8(ascii: "}"))
    }
  }

  private static let count = Scale.isFull ? 200_000 : 2_000

  @Test func `Random values are encoded to the same bytes and decoded to the same values`() throws {
    var random = SeededGenerator(seed: 20_261_126)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    for _ in 0..<Self.count {
      let value = AnyJSON.random(depth: 4, using: &random)
      let bytes = try JSONEncoding.encode(value)
      #expect(bytes == [UInt8](try encoder.encode(value)), "\(value)")
      Self.check(AnyJSON.self, bytes)
    }
  }

  /// Bytes are changed, inserted and removed, so most of these texts are nearly JSON.
  @Test func `Random texts are accepted or refused as by Foundation`() throws {
    var random = SeededGenerator(seed: 20_261_127)
    let pieces = [
      "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud83d", "\\ude00", "\\u00e9", "\\n", "0",
      "-", ".", "e", "E+", "1", "true", "null", " ", "\n", "\t", "\u{1}", "\u{7F}", "é", "😀", "//",
    ].map { Array($0.utf8) }
    var accepted = 0
    for _ in 0..<Self.count {
      var text = try JSONEncoding.encode(AnyJSON.random(depth: 3, using: &random))
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0...text.count, using: &random)
        let end = min(place + Int.random(in: 0...2, using: &random), text.count)
        text.replaceSubrange(place..<end, with: pieces.randomElement(using: &random) ?? [])
      }
      Self.check(AnyJSON.self, text)
      if (try? JSONDecoding.decode(AnyJSON.self, from: text)) != nil { accepted += 1 }
    }
    #expect(accepted > Self.count / 20 && accepted < Self.count * 19 / 20)
  }

  @Test(arguments: [
    "0", "-0", "1", "-1", "127", "128", "-128", "-129", "255", "256", "32767", "65535", "65536",
    "2147483647", "2147483648", "-2147483648", "4294967295", "4294967296", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
    "18446744073709551616", "170141183460469231731687303715884105727",
    "170141183460469231731687303715884105728", "340282366920938463463374607431768211455", "1.0",
    "1.5", "-1.0", "1e3", "1E3", "1e+3", "1e-3", "12e-1", "10e-1", "0.0", "-0.0", "1e400", "-1e400",
    "0.1", "123456789012345678901234567890", "5e-324", "1.7976931348623157e308",
    "00",
    "01", "-01", "+1", "1.", ".5", "1e", "1e+", "-", "--1", "0x1", "1_000", "Infinity", "NaN",
    "true", "null", "\"1\"", "[]", "{}", "[1]",
  ])
  func `Numbers of each type`(text: String) {
    // In an array, because the errors of a value without a path are not told apart.
    let json = Array("[\(text)]".utf8)
    Self.check([Int8].self, json)
    Self.check([UInt8].self, json)
    Self.check([Int16].self, json)
    Self.check([UInt16].self, json)
    Self.check([Int32].self, json)
    Self.check([UInt32].self, json)
    Self.check([Int64].self, json)
    Self.check([UInt64].self, json)
    Self.check([Int].self, json)
    Self.check([UInt].self, json)
    Self.check([Int128].self, json)
    Self.check([UInt128].self, json)
    Self.check([Double].self, json)
    Self.check([Bool].self, json)
    Self.check([String].self, json)
    Self.check([Int?].self, json)
  }

  private struct Message: Codable, Equatable {
    struct Inner: Codable, Equatable {
      var number: UInt8
      var words: [String?]?
    }
    enum Kind: String, Codable { case one, two }
    var name: String
    var inner: Inner?
    var kind: Kind?
    var map: [String: Inner]?
  }

  @Test(arguments: [
    #"{"name":"a"}"#, #"{}"#, #"[]"#, #"{"name":null}"#, #"{"name":1}"#, #"{"name":"a","name":1}"#,
    #"{"name":1,"name":"a"}"#, #"{"name":"a","inner":null}"#, #"{"name":"a","inner":{}}"#,
    #"{"name":"a","inner":[]}"#, #"{"name":"a","inner":{"number":256}}"#,
    #"{"name":"a","inner":{"number":1,"words":["a",null,"b"]}}"#,
    #"{"name":"a","inner":{"number":1,"words":["a",1]}}"#, #"{"name":"a","kind":"two"}"#,
    #"{"name":"a","kind":"three"}"#, #"{"name":"a","kind":2}"#,
    #"{"name":"a","map":{"x":{"number":1},"y":{"number":2}}}"#,
    #"{"name":"a","map":{"x":{"number":1},"y":{"number":-2}}}"#, #"{"name":"a","map":{"x":{}}}"#,
    #"{"name":"a","unknown":{"b":[1,2,{"c":null}]}}"#, #"{"name":"\u00e9\ud83d\ude00\/"}"#,
    #"{"name":"\ud83d"}"#, #"{"name":"\ude00"}"#, #"{"name":"\ud83d\ud83d"}"#, #"{"name":"\x"}"#,
    #"{"name":"\u12"}"#, #"{"name":"\u0000"}"#, #"{"n\u0061me":"a"}"#, "{\"name\":\"\u{2028}\"}",
    #"{"name":"a",}"#, #"{"name" "a"}"#, #"{name:"a"}"#, #"{"name":'a'}"#, #"{"name":"a"} x"#,
    #"{"name":"a"}{}"#, "", " ", "\"", "\"a", "tru", "[1,]", "[,1]", "[1 2]", "{\"a\":}",
    "// a\n{\"name\":\"a\"}",
  ])
  func `Messages with and without faults`(json: String) {
    Self.check(Message.self, Array(json.utf8))
    Self.check(AnyJSON.self, Array(json.utf8))
  }

  @Test func `Members of large objects are found, the first of equal keys`() {
    let members = (0..<100).map { #""k\#($0 % 60)":\#($0)"# }.joined(separator: ",")
    Self.check([String: Int].self, Array("{\(members)}".utf8))
  }

  @Test func `Random bytes in base64`() {
    var random = SeededGenerator(seed: 20_261_128)
    for length in 0..<200 {
      let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
      let text = Base64.encode(bytes)
      #expect(text == Data(bytes).base64EncodedString())
      #expect(Base64.decode(text) == bytes)
    }
  }

  @Test(arguments: [
    "", "=", "==", "A", "AA", "AAA", "AAAA", "AA==", "AB==", "AAA=", "AAB=", "A===", "=AAA",
    "AAAAAA==", "AA==AAAA", "AAA-", "AAA_", "AAA ", "AA A", "AAAA\n", "AÄ==",
  ])
  func `Texts that may not be base64`(text: String) {
    #expect(Base64.decode(text) == Data(base64Encoded: text).map { [UInt8]($0) }, "\(text)")
  }

  /// Foundation accepts these.
  @Test(arguments: ["[1,]", #"{"a":1,}"#, "[1e-400]"])
  func `Trailing commas and numbers that are not whole are refused`(json: String) {
    #expect(throws: (any Error).self) { try JSONDecoding.decode([Int128].self, from: json.utf8) }
    #expect(throws: (any Error).self) {
      try JSONDecoding.decode([String: Int128].self, from: json.utf8)
    }
  }

  @Test(arguments: ["====", "AA=A", "AAAA="])
  func `Padding in the wrong place is refused`(text: String) {
    #expect(Base64.decode(text) == nil)
  }
}
