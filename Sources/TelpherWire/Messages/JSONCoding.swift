private import FoundationEssentials
internal import TelpherText

/// A JSON message of the protocol with a known set of keys.
protocol WireMessage: Codable {
  /// The keys that this side understands, spelled as on the wire.
  static var knownKeys: Set<String> { get }
  /// The keys that the receiver must understand.
  var must: [String]? { get }
}

/// Encodes and decodes all JSON of the protocol.
enum JSONCoding {
  /// Decodes a message. Errors refer to it as `name`.
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

  /// Encodes a message. Keys are sorted, so equal messages have equal bytes.
  static func encode(_ message: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return [UInt8](try encoder.encode(message))
    } catch {
      preconditionFailure("messages hold only strings and finite numbers: \(error)")
    }
  }

  /// Decodes lines of JSON of at most `longest` bytes each, including the newline. It parses all
  /// lines at once, which is several times as fast as one by one.
  static func decodeLines<Record: Decodable>(
    _ type: Record.Type, from lines: [UInt8], longest: Int, name: String
  ) throws(WireError) -> [Record] {
    try checkEncoding(lines, name: name)
    // All lines together are limited in bytes, which bounds the number of values.
    try checkShape(lines, name: name, maxValues: .max)
    var array = Data(capacity: lines.count + 2)
    array.append(UInt8(ascii: "["))
    var hasRecord = false
    for line in ByteFields(lines, separator: UInt8(ascii: "\n")) {
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

  /// `bytes` in base64.
  static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

  /// The bytes that `text` encodes; nil if it is not base64.
  static func bytes(base64 text: String) -> [UInt8]? {
    Data(base64Encoded: text).map { [UInt8]($0) }
  }

  /// Throws if `bytes` are not UTF-8. From NUL bytes and byte-order marks the parser would guess
  /// UTF-16 or UTF-32, and would then read other text than `checkShape` has checked. JSON in UTF-8
  /// never contains a NUL byte.
  private static func checkEncoding(_ bytes: [UInt8], name: String) throws(WireError) {
    guard !bytes.contains(0), String(validating: bytes, as: UTF8.self) != nil else {
      throw WireError(.protocolError, "\(name) is not UTF-8")
    }
  }

  /// Throws if the JSON is nested too deeply or has too many values, before a parser recurses into
  /// it and allocates memory for each value.
  private static func checkShape(
    _ bytes: [UInt8], name: String, maxValues: Int
  ) throws(WireError) {
    var depth = 0
    var commas = 0
    var position = 0
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""): position = endOfString(in: bytes, from: position)
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

  /// The position after the string that begins at `start`, which follows its quotation mark; the
  /// end of `bytes` if the string does not end.
  private static func endOfString(in bytes: [UInt8], from start: Int) -> Int {
    var position = start
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\"") { break }
      if byte == UInt8(ascii: "\\") { position += 1 }
    }
    return min(position, bytes.count)
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
      "a value has the wrong type\(path(context))"
    case .dataCorrupted(let context):
      context.codingPath.isEmpty
        ? "not valid JSON" : "a value can't be used\(path(context)): \(context.debugDescription)"
    @unknown default: "not JSON of the expected shape"
    }
  }
}
