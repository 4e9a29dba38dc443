private import TelpherJSON

/// Encodes and decodes the JSON of this module.
enum ClassicJSON {
  /// The JSON of `dictionary`, with sorted keys.
  static func encode(_ dictionary: some Encodable) -> [UInt8] {
    do {
      return try JSONEncoding.encode(dictionary)
    } catch {
      preconditionFailure("dictionaries hold only strings and integers: \(error)")
    }
  }

  /// Decodes a dictionary. Unknown keys are ignored.
  ///
  /// - Throws: `ClassicError` (`violation`) if `bytes` are not such a dictionary.
  static func decode<Dictionary: Decodable>(
    _ type: Dictionary.Type, from bytes: [UInt8]
  ) throws(ClassicError) -> Dictionary {
    do {
      return try JSONDecoding.decode(type, from: bytes)
    } catch DecodingError.typeMismatch(_, let context) where !context.codingPath.isEmpty {
      let key = context.codingPath.map(\.stringValue).joined(separator: ".")
      throw ClassicError(.violation, "the dictionary's value for '\(key)' cannot be used")
    } catch {
      throw ClassicError(.violation, "the bytes of the dictionary are not a JSON dictionary")
    }
  }
}
