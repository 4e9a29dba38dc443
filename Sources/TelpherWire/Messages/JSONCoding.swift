private import TelpherJSON
internal import TelpherText

/// A JSON message of the protocol with a known set of keys.
protocol WireMessage: Codable {
  /// The keys that this side understands, spelled as on the wire.
  static var knownKeys: Set<String> { get }
  /// The keys that the receiver must understand.
  var must: [String]? { get }
}

extension WireMessage {
  /// Whether this side understands `key`. A long one is not compared, since that can take long.
  fileprivate static func knows(_ key: String) -> Bool {
    key.utf8.count <= 64 && knownKeys.contains(key)
  }
}

/// Encodes and decodes all JSON of the protocol.
enum JSONCoding {
  /// Decodes a message. Errors refer to it as `name`.
  static func decode<Message: WireMessage>(
    _ type: Message.Type, from bytes: [UInt8], name: String
  ) throws(WireError) -> Message {
    let limits = JSONLimits(
      depth: WireConstants.maxJSONDepth, values: WireConstants.maxOpenValues,
      keys: WireConstants.maxObjectKeys)
    let message = try decoded(limits, name: name) {
      try JSONDecoding.decode(type, from: bytes, limits: limits)
    }
    if let unknown = message.must?.first(where: { !type.knows($0) }) {
      throw WireError(.protocolError, "\(name): the key '\(unknown)' must be understood and is not")
    }
    return message
  }

  /// Encodes a message. Keys are sorted, so equal messages have equal bytes.
  static func encode(_ message: some Encodable) -> [UInt8] {
    do {
      return try JSONEncoding.encode(message)
    } catch {
      preconditionFailure("messages hold only strings and finite numbers: \(error)")
    }
  }

  /// Decodes lines of JSON of at most `longest` bytes each, including the newline.
  static func decodeLines<Record: Decodable>(
    _ type: Record.Type, from lines: [UInt8], longest: Int, name: String
  ) throws(WireError) -> [Record] {
    // A line is limited in bytes, which bounds the number of its values.
    let limits = JSONLimits(depth: WireConstants.maxJSONDepth)
    let lines = ByteFields(lines, separator: UInt8(ascii: "\n"))
    guard lines.allSatisfy({ $0.count < longest }) else {
      throw WireError(.protocolError, "\(name) is longer than \(longest) bytes")
    }
    return try decoded(limits, name: name) {
      try JSONDecoding.decode([Record].self, fromEach: lines, limits: limits)
    }
  }

  /// The result of `decode`, whose errors refer to the JSON as `name`.
  private static func decoded<Value>(
    _ limits: JSONLimits, name: String, _ decode: () throws -> Value
  ) throws(WireError) -> Value {
    do { return try decode() } catch let error as DecodingError {
      throw WireError(.protocolError, "\(name): \(describe(error))")
    } catch {
      throw WireError(.protocolError, describe(error as? JSONFault ?? .syntax, limits, name: name))
    }
  }

  private static func describe(_ fault: JSONFault, _ limits: JSONLimits, name: String) -> String {
    switch fault {
    case .encoding: "\(name) is not UTF-8"
    case .syntax: "\(name): not valid JSON"
    case .depth: "\(name) is nested more than \(limits.depth) levels deep"
    case .values: "\(name) holds more than \(limits.values) values"
    case .keys: "\(name): an object has more than \(limits.keys) keys"
    case .marks:
      "\(name): a key has more than \(JSONLimits.keyMarks) combining marks in a row, or another string more than \(JSONLimits.marks)"
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
      "a value has the wrong type\(path(context))"
    case .dataCorrupted(let context):
      "a value can't be used\(path(context)): \(context.debugDescription)"
    @unknown default: "not JSON of the expected shape"
    }
  }
}
