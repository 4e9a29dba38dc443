import TelpherJSON
import TelpherText
import Testing

struct JSONLimitsTests {
  private static func fault(_ json: [UInt8], _ limits: JSONLimits = JSONLimits()) -> JSONFault? {
    do {
      _ = try JSONDecoding.decode(AnyJSON.self, from: json, limits: limits)
      return nil
    } catch { return error as? JSONFault }
  }

  private static func nested(_ depth: Int) -> [UInt8] {
    Array(
      (String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
  }

  @Test func `Nesting is limited before anything is decoded`() {
    #expect(Self.fault(Self.nested(16), JSONLimits(depth: 16)) == nil)
    #expect(Self.fault(Self.nested(17), JSONLimits(depth: 16)) == .depth)
    #expect(Self.fault(Self.nested(1_000_000)) == .depth)
    #expect(Self.fault(Array(repeating: UInt8(ascii: "["), count: 1_000_000)) == .depth)
  }

  @Test func `The number of values is limited`() {
    let values = Array("[1,2,[3,4]]".utf8)
    #expect(Self.fault(values, JSONLimits(values: 4)) == nil)
    #expect(Self.fault(values, JSONLimits(values: 3)) == .values)
  }

  @Test func `The number of keys of an object is limited`() {
    let objects = Array(#"[{"a":1,"b":2},{"a":1,"a":2}]"#.utf8)
    #expect(Self.fault(objects, JSONLimits(keys: 2)) == nil)
    #expect(Self.fault(objects, JSONLimits(keys: 1)) == .keys)
  }

  /// `String` takes the keys of each pair for equal.
  @Test func `Keys are equal only if their bytes are`() throws {
    let keys = ["\u{E9}", "e\u{301}", "K", "\u{212A}"]
    for count in [4, 12] {
      let more = (0..<(count - 4)).map { "k\($0)" }
      let members = (keys + more).enumerated().map { "\"\($1)\":\($0)" }
      let json = Array("{\(members.joined(separator: ","))}".utf8)
      let decoded = try JSONDecoding.decode([ExactText: Int].self, from: json)
      #expect(decoded.count == count)
      for (place, key) in keys.enumerated() { #expect(decoded[ExactText(key)] == place) }
      let encoded = try JSONEncoding.encode(decoded)
      #expect(try JSONDecoding.decode([ExactText: Int].self, from: encoded) == decoded)
    }
  }

  /// Comparing strings with more takes a time that grows with the square of their number.
  @Test func `The number of combining marks in a row is limited`() {
    func string(_ marks: Int) -> String {
      "\"a" + String(repeating: "\u{301}\u{316}", count: marks / 2) + "b\""
    }
    #expect(Self.fault(Array("{\(string(30)):1}".utf8)) == nil)
    #expect(Self.fault(Array("{\(string(32)):1}".utf8)) == .marks)
    #expect(Self.fault(Array("[\(string(1_000))]".utf8)) == nil)
    #expect(Self.fault(Array("[\(string(1_002))]".utf8)) == .marks)
    #expect(Self.fault(Array("{\"a\":\(string(1_002))}".utf8)) == .marks)
    #expect(Self.fault(Array("[\"\(String(repeating: "e\u{301}", count: 5_000))\"]".utf8)) == nil)
  }

  @Test(
    arguments: [
      ("1.0", 1), ("-5.00", -5), ("1e3", 1_000), ("120E-1", 12), ("1.5e+1", 15), ("0.0", 0),
      ("-0", 0), ("0e-999999999", 0), ("9007199254740993.0", 9_007_199_254_740_993),
      ("1e-400", nil), ("2.9999999999999999999", nil),
      ("0.\(String(repeating: "0", count: 400))1", nil),
      ("1e400", nil), ("1e-1", nil), ("12e-2", nil), ("1e99999999999", nil),
      ("9223372036854775808.0", nil),
    ] as [(String, Int?)])
  func `Only whole numbers become integers`(_ text: String, _ number: Int?) {
    let decoded = try? JSONDecoding.decode(
      [Int].self, from: Array("[\(text)]".utf8), limits: JSONLimits())
    #expect(decoded == number.map { [$0] })
  }

  @Test(arguments: [
    [UInt8(0xFF)], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF4, 0x90, 0x80, 0x80],
  ])
  func `Bytes that are not UTF-8 are refused anywhere`(bytes: [UInt8]) {
    let quote = UInt8(ascii: "\"")
    #expect(Self.fault([quote] + bytes + [quote]) == .encoding)
    #expect(Self.fault(bytes) == .encoding)
  }

  /// Foundation takes these for UTF-16, for UTF-32, or ignores them.
  @Test(arguments: [
    [UInt8(ascii: "1"), 0], [0, UInt8(ascii: "1")], [0, 0, 0, UInt8(ascii: "1")],
    Array("\u{FEFF}1".utf8), [UInt8(ascii: "1"), 0, 0, 0],
  ])
  func `NUL bytes and byte-order marks are refused`(bytes: [UInt8]) {
    #expect(Self.fault(bytes) == .syntax)
  }

  @Test(arguments: [Double.infinity, -.infinity, .nan])
  func `Numbers that are not finite are not encoded`(number: Double) {
    #expect(throws: EncodingError.self) { try JSONEncoding.encode([number]) }
  }
}
