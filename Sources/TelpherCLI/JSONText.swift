private import FoundationEssentials
private import Synchronization
internal import TelpherWire

/// JSON for standard output: the one place that codes it.
enum JSONText {
  /// `value` as one line, with sorted keys.
  private static func line(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return escaped(String(decoding: try encoder.encode(value), as: UTF8.self)) + "\n"
  }

  /// JSON with the characters that must not reach a terminal as they are as `\u009b`. The encoder does
  /// so with those below a blank only; none of the others stands outside of a string.
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

  /// Held while a line is written: several threads may print.
  private static let turn = Mutex(())

  /// Prints `value` as one line, on standard output by default. From any thread.
  ///
  /// - Throws: `Failure` where that can't be written.
  static func print(
    _ value: some Encodable, to descriptor: Descriptor = .output
  ) throws(Failure) {
    let line: String
    do { line = try self.line(value) } catch { throw Failure("cannot code the answer: \(error)") }
    let result: Result<Void, Failure> = turn.withLock { _ in
      do throws(Failure) { return .success(try descriptor.print(line)) } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// `bytes` in base64 (RFC 4648, section 4).
  static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
}
