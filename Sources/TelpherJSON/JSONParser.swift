internal import TelpherText

/// Parses JSON (RFC 8259) strictly: UTF-8 without a byte-order mark, one value with white space
/// around it, no comments, no surrogate without its partner.
struct JSONParser {
  private let bytes: UnsafeBufferPointer<UInt8>
  private let limits: JSONLimits
  private var position = 0
  private var depth = 0
  private var commas = 0

  /// Parses the one value in `bytes`.
  static func parse(
    _ bytes: UnsafeBufferPointer<UInt8>, limits: JSONLimits
  ) throws(JSONFault) -> JSONValue {
    guard (try? UTF8Span(validating: bytes.span)) != nil else { throw .encoding }
    var parser = JSONParser(bytes, limits)
    let value = try parser.value()
    parser.skipSpace()
    guard parser.position == bytes.count else { throw .syntax }
    return value
  }

  private init(_ bytes: UnsafeBufferPointer<UInt8>, _ limits: JSONLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  /// The next byte; 0, which is in no JSON, at the end.
  private var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

  private mutating func skipSpace() {
    while next == 0x20 || next == 0x0A || next == 0x0D || next == 0x09 { position += 1 }
  }

  /// Takes the next byte if it is `byte`.
  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  private mutating func value() throws(JSONFault) -> JSONValue {
    skipSpace()
    switch next {
    case UInt8(ascii: "\""): return .string(try checked(try string(), marks: JSONLimits.marks))
    case UInt8(ascii: "{"): return try nested { (parser) throws(JSONFault) in try parser.object() }
    case UInt8(ascii: "["): return try nested { (parser) throws(JSONFault) in try parser.array() }
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(JSONFault) -> JSONValue
  ) throws(JSONFault) -> JSONValue {
    guard depth < limits.depth else { throw .depth }
    depth += 1
    defer { depth -= 1 }
    position += 1
    return try body(&self)
  }

  /// Whether a comma follows; if not, `end` must.
  private mutating func goesOn(_ end: UInt8) throws(JSONFault) -> Bool {
    skipSpace()
    if take(end) { return false }
    guard take(UInt8(ascii: ",")) else { throw .syntax }
    commas += 1
    guard commas < limits.values else { throw .values }
    return true
  }

  private mutating func object() throws(JSONFault) -> JSONValue {
    var object = JSONObject()
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object(object) }
    repeat {
      skipSpace()
      guard object.members.count < limits.keys else { throw .keys }
      guard next == UInt8(ascii: "\"") else { throw .syntax }
      let key = try checked(try string(), marks: JSONLimits.keyMarks)
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw .syntax }
      object.append(key, try value())
    } while try goesOn(UInt8(ascii: "}"))
    return .object(object)
  }

  private mutating func array() throws(JSONFault) -> JSONValue {
    var array: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array(array) }
    repeat { array.append(try value()) } while try goesOn(UInt8(ascii: "]"))
    return .array(array)
  }

  private mutating func word(
    _ word: StaticString, _ value: JSONValue
  ) throws(JSONFault) -> JSONValue {
    for index in 0..<word.utf8CodeUnitCount {
      guard take(word.utf8Start[index]) else { throw .syntax }
    }
    return value
  }

  private var isAtDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) }

  private mutating func number() throws(JSONFault) -> JSONValue {
    let start = position
    let isNegative = take(UInt8(ascii: "-"))
    let digits = position
    var isInteger = true
    var magnitude: Int64 = 0
    while isAtDigit {
      let digit = Int64(next - UInt8(ascii: "0"))
      let (tens, overflow) = magnitude.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(digit)
      if overflow || carry { isInteger = false }
      magnitude = sum
      position += 1
    }
    let count = position - digits
    guard count == 1 || (count > 1 && bytes[digits] != UInt8(ascii: "0")) else { throw .syntax }
    if take(UInt8(ascii: ".")) {
      isInteger = false
      try someDigits()
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      isInteger = false
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try someDigits()
    }
    // An integer has no negative zero.
    guard isInteger, !isNegative || magnitude != 0 else { return .number(text(start..<position)) }
    return .integer(isNegative ? -magnitude : magnitude)
  }

  private mutating func someDigits() throws(JSONFault) {
    guard isAtDigit else { throw .syntax }
    while isAtDigit { position += 1 }
  }

  private func text(_ range: Range<Int>) -> String {
    String(decoding: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self)
  }

  /// Returns `text` unless it has more than `marks` combining marks in a row.
  private func checked(_ text: String, marks: Int) throws(JSONFault) -> String {
    // A mark has two bytes or more.
    guard text.utf8.count > 2 * marks, mayHaveMarks(text) else { return text }
    var count = 0
    for scalar in text.unicodeScalars {
      guard scalar.value >= 0x300, scalar.properties.canonicalCombiningClass != .notReordered else {
        count = 0
        continue
      }
      count += 1
      if count > marks { throw .marks }
    }
    return text
  }

  /// Whether `text` may have combining marks: they begin with bytes from 0xCC on.
  private func mayHaveMarks(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { bytes in
      // A loop without an exit uses vector instructions.
      var highest: UInt8 = 0
      for byte in bytes { highest = max(highest, byte) }
      return highest >= 0xCC
    }
  }

  private mutating func string() throws(JSONFault) -> String {
    position += 1
    let start = position
    guard let quote = bytes.position(of: UInt8(ascii: "\""), from: start) else { throw .syntax }
    let before = UnsafeBufferPointer(rebasing: bytes[start..<quote])
    let end = start + (before.position(of: UInt8(ascii: "\\"), from: 0) ?? before.count)
    // A loop without an exit uses vector instructions: a path may have 4 KiB.
    var lowest: UInt8 = .max
    for byte in UnsafeBufferPointer(rebasing: bytes[start..<end]) { lowest = min(lowest, byte) }
    guard lowest >= 0x20 else { throw .syntax }
    position = end
    if end < quote { return try escapedString(from: start) }
    position += 1
    return text(start..<end)
  }

  /// The rest of a string that began at `start` and has an escape at the current position.
  private mutating func escapedString(from start: Int) throws(JSONFault) -> String {
    var text = Array(bytes[start..<position])
    while true {
      let byte = next
      guard byte >= 0x20 else { throw .syntax }
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): text.append(contentsOf: try escape())
      default: text.append(byte)
      }
    }
  }

  /// The UTF-8 of the escape whose backslash was taken.
  private mutating func escape() throws(JSONFault) -> Unicode.UTF8.EncodedScalar {
    let letter = next
    position += 1
    let scalar: Unicode.Scalar
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): scalar = Unicode.Scalar(letter)
    case UInt8(ascii: "b"): scalar = "\u{08}"
    case UInt8(ascii: "f"): scalar = "\u{0C}"
    case UInt8(ascii: "n"): scalar = "\n"
    case UInt8(ascii: "r"): scalar = "\r"
    case UInt8(ascii: "t"): scalar = "\t"
    case UInt8(ascii: "u"): scalar = try escapedScalar()
    default: throw .syntax
    }
    guard let encoded = Unicode.UTF8.encode(scalar) else {
      preconditionFailure("every scalar has a form in UTF-8")
    }
    return encoded
  }

  /// The scalar of `\u`, of which four digits follow, or those of a surrogate and its partner.
  private mutating func escapedScalar() throws(JSONFault) -> Unicode.Scalar {
    let unit = try fourDigits()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    guard UTF16.isLeadSurrogate(unit), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
      throw .syntax
    }
    let partner = try fourDigits()
    guard UTF16.isTrailSurrogate(partner) else { throw .syntax }
    let pair = 0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(partner) - 0xDC00)
    guard let scalar = Unicode.Scalar(pair) else {
      preconditionFailure("the scalars of surrogate pairs are U+10000 to U+10FFFF")
    }
    return scalar
  }

  private mutating func fourDigits() throws(JSONFault) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      let digit: UInt8
      switch next {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = next - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = next - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = next - UInt8(ascii: "A") + 10
      default: throw .syntax
      }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }
}
