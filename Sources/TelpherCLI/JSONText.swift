private import FoundationEssentials

/// JSON for standard output: the one place that codes it.
enum JSONText {
  /// `value` as one line, with sorted keys.
  private static func line(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
  }

  /// Prints `value` as one line on standard output.
  ///
  /// - Throws: `Failure` where that can't be written.
  static func print(_ value: some Encodable) throws(Failure) {
    let line: String
    do { line = try self.line(value) } catch { throw Failure("cannot code the answer: \(error)") }
    try Descriptor.output.print(line)
  }

  /// `bytes` in base64 (RFC 4648, section 4).
  static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
}
