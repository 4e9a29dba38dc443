private import Synchronization
private import TelpherJSON
internal import TelpherText
internal import TelpherWire

/// Encodes and prints all JSON output.
enum JSONText {
  /// Encodes `value` as one line with sorted keys.
  private static func line(_ value: some Encodable) throws -> String {
    escaped(String(decoding: try JSONEncoding.encode(value), as: UTF8.self)) + "\n"
  }

  /// Escapes the characters that could change a terminal, for example as `\u009b`. The encoder
  /// escapes only those below U+0020. All others are inside JSON strings.
  private static func escaped(_ json: String) -> String {
    guard !json.unicodeScalars.allSatisfy(ShownText.isSafe) else { return json }
    var text = ""
    for scalar in json.unicodeScalars {
      if ShownText.isSafe(scalar) {
        text.unicodeScalars.append(scalar)
      } else {
        for unit in UTF16.encode(scalar) ?? .init() {
          let digits = String(unit, radix: 16)
          text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
      }
    }
    return text
  }

  /// Locked while a line is written, because several threads may print.
  private static let turn = Mutex(())

  /// Prints `value` as one line. May be called from any thread.
  ///
  /// - Throws: `Failure` if it can't be written.
  static func print(
    _ value: some Encodable, to descriptor: Descriptor = .output
  ) throws(Failure) {
    let line: String
    do { line = try self.line(value) } catch {
      throw Failure("cannot encode the result as JSON: \(error)")
    }
    let result: Result<Void, Failure> = turn.withLock { _ in
      do throws(Failure) { return .success(try descriptor.print(line)) } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// `value` as JSON.
  static func bytes(of value: some Encodable) throws -> [UInt8] {
    try JSONEncoding.encode(value)
  }

  /// The value that `bytes` encode.
  static func value<Value: Decodable>(_ type: Value.Type, in bytes: [UInt8]) throws -> Value {
    try JSONDecoding.decode(type, from: bytes)
  }

  /// `bytes` in base64 (RFC 4648, section 4).
  static func base64(_ bytes: [UInt8]) -> String { Base64.encode(bytes) }
}
