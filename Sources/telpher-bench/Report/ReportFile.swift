internal import FoundationEssentials

extension Report {
  /// Writes it as JSON.
  ///
  /// - Throws: `Failure` where the file can't be written.
  func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    try writeText(String(decoding: try encoder.encode(self), as: UTF8.self) + "\n", to: path)
  }

  /// Reads what `write(to:)` wrote.
  ///
  /// - Throws: `Failure` where there is no such file, and what is wrong with it.
  static func read(_ path: String) throws -> Report {
    guard let text = readText(path) else { throw Failure("cannot read \(path)") }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try decoder.decode(Report.self, from: Data(text.utf8))
  }
}
