private import FoundationEssentials

/// A JSON message of the protocol, with the keys it knows.
protocol WireMessage: Codable {
  /// The keys that this side understands, as they stand on the wire.
  static var knownKeys: Set<String> { get }
  /// The keys that the sender says must be understood.
  var must: [String]? { get }
}

/// The one place that codes JSON.
enum JSONCoding {
  /// Reads a message; `name` is what errors call it.
  static func decode<Message: WireMessage>(
    _ type: Message.Type, from bytes: [UInt8], name: String
  ) throws(WireError) -> Message {
    try checkEncoding(bytes, name: name)
    try checkShape(bytes, name: name, maxValues: WireConstants.maxOpenValues)
    let message: Message
    do {
      message = try JSONDecoder().decode(type, from: Data(bytes))
    } catch let error as DecodingError {
      throw WireError(.protocolError, "\(name): \(describe(error))")
    } catch {
      throw WireError(.protocolError, "\(name) is not valid JSON")
    }
    if let unknown = message.must?.first(where: { !type.knownKeys.contains($0) }) {
      throw WireError(.protocolError, "\(name): the key '\(unknown)' must be understood and is not")
    }
    return message
  }

  /// Writes a message, with sorted keys so that equal messages are equal bytes.
  static func encode(_ message: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return [UInt8](try encoder.encode(message))
    } catch {
      preconditionFailure("messages hold only strings and finite numbers: \(error)")
    }
  }

  /// Reads lines of JSON, of at most `longest` bytes each with their ends, all at once: that is
  /// several times as fast as one by one.
  static func decodeLines<Record: Decodable>(
    _ type: Record.Type, from lines: [UInt8], longest: Int, name: String
  ) throws(WireError) -> [Record] {
    try checkEncoding(lines, name: name)
    // The lines share a limit of bytes, which bounds the number of their values.
    try checkShape(lines, name: name, maxValues: .max)
    var array = Data(capacity: lines.count + 2)
    array.append(UInt8(ascii: "["))
    var hasRecord = false
    for line in lines.split(separator: UInt8(ascii: "\n")) {
      guard line.count < longest else {
        throw WireError(.protocolError, "\(name) is longer than \(longest) bytes")
      }
      if hasRecord { array.append(UInt8(ascii: ",")) }
      array.append(contentsOf: line)
      hasRecord = true
    }
    array.append(UInt8(ascii: "]"))
    do {
      return try JSONDecoder().decode([Record].self, from: array)
    } catch let error as DecodingError {
      throw WireError(.protocolError, "\(name): \(describe(error))")
    } catch {
      throw WireError(.protocolError, "\(name) is not valid JSON")
    }
  }

  /// Bytes that are no text, as text.
  static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

  /// The bytes of such a text; nil where it is none.
  static func bytes(base64 text: String) -> [UInt8]? {
    Data(base64Encoded: text).map { [UInt8]($0) }
  }

  /// Refuses what is not UTF-8. The parser would guess UTF-16 and UTF-32 from their NUL bytes and
  /// marks, which JSON in UTF-8 never holds, and would read other text than the check of the depth.
  private static func checkEncoding(_ bytes: [UInt8], name: String) throws(WireError) {
    guard !bytes.contains(0), String(validating: bytes, as: UTF8.self) != nil else {
      throw WireError(.protocolError, "\(name) is not UTF-8")
    }
  }

  /// Refuses JSON that is nested too deeply, or has too many values, before a parser recurses into it
  /// and allocates for each.
  private static func checkShape(
    _ bytes: [UInt8], name: String, maxValues: Int
  ) throws(WireError) {
    var depth = 0
    var commas = 0
    var inString = false
    var escaped = false
    for byte in bytes {
      if inString {
        if escaped {
          escaped = false
        } else if byte == UInt8(ascii: "\\") {
          escaped = true
        } else if byte == UInt8(ascii: "\"") {
          inString = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""): inString = true
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        guard depth <= WireConstants.maxJSONDepth else {
          throw WireError(
            .protocolError,
            "\(name) is nested more than \(WireConstants.maxJSONDepth) levels deep")
        }
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: ","):
        commas += 1
        guard commas < maxValues else {
          throw WireError(.protocolError, "\(name) holds more than \(maxValues) values")
        }
      default: break
      }
    }
  }

  private static func describe(_ error: DecodingError) -> String {
    func path(_ context: DecodingError.Context) -> String {
      let keys = context.codingPath.map(\.stringValue).joined(separator: ".")
      return keys.isEmpty ? "" : " at '\(keys)'"
    }
    return switch error {
    case .keyNotFound(let key, let context):
      "the key '\(key.stringValue)' is missing\(path(context))"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "a value of another type is expected\(path(context))"
    case .dataCorrupted(let context):
      context.codingPath.isEmpty
        ? "not valid JSON" : "a value can't be used\(path(context)): \(context.debugDescription)"
    @unknown default: "not the JSON that is expected"
    }
  }
}
