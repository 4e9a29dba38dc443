import TelpherJSON
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
