private import FoundationEssentials

/// The one place that codes JSON.
enum ClassicJSON {
  /// Writes a dictionary, with sorted keys.
  static func encode(_ dictionary: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return [UInt8](try encoder.encode(dictionary))
    } catch {
      preconditionFailure("dictionaries hold only strings and integers: \(error)")
    }
  }

  /// Reads a dictionary; keys that it doesn't know are no concern of it.
  ///
  /// - Throws: `ClassicError` (`violation`) where `bytes` are no such dictionary.
  static func decode<Dictionary: Decodable>(
    _ type: Dictionary.Type, from bytes: [UInt8]
  ) throws(ClassicError) -> Dictionary {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch DecodingError.typeMismatch(_, let context) where !context.codingPath.isEmpty {
      let key = context.codingPath.map(\.stringValue).joined(separator: ".")
      throw ClassicError(.violation, "the value of '\(key)' in the dictionary can't be used")
    } catch {
      throw ClassicError(.violation, "what should be a dictionary is not one in JSON")
    }
  }
}
