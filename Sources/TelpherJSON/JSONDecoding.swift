/// Decodes values from JSON.
package enum JSONDecoding {
  /// Decodes a value from JSON in UTF-8. Keys that `type` does not ask for are ignored; of equal
  /// keys the first counts.
  ///
  /// - Throws: `JSONFault` if `bytes` are not JSON within `limits`; `DecodingError` if they do not
  ///   have the shape of the type, with the same context as the decoder of Foundation.
  package static func decode<Value: Decodable>(
    _ type: Value.Type, from bytes: some Collection<UInt8>, limits: JSONLimits = JSONLimits()
  ) throws -> Value {
    let value = try parse(bytes, limits)
    return try Value(from: JSONValueDecoder(value: value, path: .root))
  }

  /// Decodes the elements of an array from one JSON text each. The limits are those of each text.
  ///
  /// - Throws: as `decode(_:from:limits:)`; the keys of an error begin with the element's index.
  package static func decode<Value: Decodable>(
    _ type: [Value].Type, fromEach texts: some Sequence<some Collection<UInt8>>,
    limits: JSONLimits = JSONLimits()
  ) throws -> [Value] {
    var values: [Value] = []
    for text in texts {
      let decoder = JSONValueDecoder(
        value: try parse(text, limits), path: .key(JSONIndex(values.count), of: .root))
      values.append(try Value(from: decoder))
    }
    return values
  }

  private static func parse(
    _ bytes: some Collection<UInt8>, _ limits: JSONLimits
  ) throws(JSONFault) -> JSONValue {
    // Not a Result: for its type, the first decoding would search all conformances of the program.
    var fault: JSONFault?
    let parsed = bytes.withContiguousStorageIfAvailable { (bytes) -> JSONValue in
      do throws(JSONFault) {
        return try JSONParser.parse(bytes, limits: limits)
      } catch {
        fault = error
        return .null
      }
    }
    if let fault { throw fault }
    guard let parsed else { return try parse(Array(bytes), limits) }
    return parsed
  }
}

/// The keys that lead to a value.
indirect enum JSONPath {
  case root
  case key(any CodingKey, of: JSONPath)

  /// The keys, the outermost first.
  var keys: [any CodingKey] {
    switch self {
    case .root: []
    case .key(let key, let parent): parent.keys + [key]
    }
  }
}

/// The place of an element in an array.
struct JSONIndex: CodingKey {
  let intValue: Int?
  var stringValue: String { "Index \(intValue ?? 0)" }

  init(_ index: Int) { intValue = index }
  init?(intValue: Int) { self.init(intValue) }
  init?(stringValue: String) { nil }
}

/// Decodes one value.
struct JSONValueDecoder: Decoder, SingleValueDecodingContainer {
  let value: JSONValue
  let path: JSONPath

  var codingPath: [any CodingKey] { path.keys }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .object(let object) = value else { throw mismatch([String: Any].self) }
    return KeyedDecodingContainer(JSONObjectDecoding(object: object, path: path))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .array(let array) = value else { throw mismatch([Any].self) }
    return JSONArrayDecoding(array: array, path: path)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { self }

  func decodeNil() -> Bool {
    if case .null = value { true } else { false }
  }

  func decode(_ type: Bool.Type) throws -> Bool {
    guard case .bool(let bool) = value else { throw mismatch(type) }
    return bool
  }

  func decode(_ type: String.Type) throws -> String {
    guard case .string(let string) = value else { throw mismatch(type) }
    return string
  }

  func decode(_ type: Double.Type) throws -> Double { try real(type) }
  func decode(_ type: Float.Type) throws -> Float { try real(type) }
  func decode(_ type: Int.Type) throws -> Int { try integer(type) }
  func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
  func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
  func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
  func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
  func decode(_ type: Int128.Type) throws -> Int128 { try integer(type) }
  func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }
  func decode(_ type: UInt128.Type) throws -> UInt128 { try integer(type) }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try Value(from: self) }

  private func integer<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
    switch value {
    case .integer(let integer):
      guard let number = Number(exactly: integer) else { throw misfit("\(integer)", as: type) }
      return number
    case .number(let text):
      if let number = Number(text) { return number }
      guard let digits = Self.integerDigits(of: text), let number = Number(digits) else {
        throw misfit(text, as: type)
      }
      return number
    default: throw mismatch(type)
    }
  }

  private func real<Number: BinaryFloatingPoint & LosslessStringConvertible>(
    _ type: Number.Type
  ) throws -> Number {
    switch value {
    case .integer(let integer): return Number(integer)
    case .number(let text):
      guard let number = Number(text), number.isFinite, number != 0 || Self.isZero(text) else {
        throw misfit("\(Self.shown(text)) is too large or too small")
      }
      return number
    default: throw mismatch(type)
    }
  }

  /// The digits of a whole number that is written with a fraction or an exponent, as 1.0 and 1e3
  /// are; nil if the number is not whole, or has more digits than any integer.
  private static func integerDigits(of text: String) -> String? {
    let parts = text.split(omittingEmptySubsequences: false) { $0 == "e" || $0 == "E" }
    let mantissa = parts[0].drop { $0 == "-" }.split(separator: ".")
    let fraction = mantissa.count > 1 ? mantissa[1] : ""
    let digits = (mantissa[0] + fraction).drop { $0 == "0" }
    guard !digits.isEmpty else { return "0" }
    // A longer exponent leads to no integer.
    let power = parts.count > 1 ? parts[1] : "0"
    guard power.utf8.count <= 8, let exponent = Int(power) else { return nil }
    let places = exponent - fraction.utf8.count
    let sign = text.hasPrefix("-") ? "-" : ""
    if places >= 0 {
      guard digits.utf8.count + places <= 40 else { return nil }
      return sign + digits + String(repeating: "0", count: places)
    }
    guard -places < digits.utf8.count, digits.suffix(-places).allSatisfy({ $0 == "0" }) else {
      return nil
    }
    return sign + digits.dropLast(-places)
  }

  /// Whether the number is written as zero, and not so small that it becomes zero.
  private static func isZero(_ text: String) -> Bool {
    !text.utf8.prefix { $0 != UInt8(ascii: "e") && $0 != UInt8(ascii: "E") }
      .contains { (UInt8(ascii: "1")...UInt8(ascii: "9")).contains($0) }
  }

  /// The error for a number that an integer type can't represent.
  private func misfit<Number: FixedWidthInteger>(
    _ text: String, as type: Number.Type
  ) -> DecodingError {
    misfit(
      "\(Self.shown(text)) is not a whole number between \(Number.min) and \(Number.max)")
  }

  private func misfit(_ description: String) -> DecodingError {
    .dataCorrupted(DecodingError.Context(codingPath: codingPath, debugDescription: description))
  }

  /// The number for a message: the peer chooses its length.
  private static func shown(_ text: String) -> String {
    text.utf8.count <= 40 ? text : "\(text.prefix(40))..."
  }

  /// The error for a value of another type.
  private func mismatch(_ type: Any.Type) -> DecodingError {
    let context = DecodingError.Context(
      codingPath: codingPath, debugDescription: "the value is not a \(type)")
    return decodeNil() ? .valueNotFound(type, context) : .typeMismatch(type, context)
  }
}
