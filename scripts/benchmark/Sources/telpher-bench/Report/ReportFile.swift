internal import FoundationEssentials

extension Report {
  /// Writes the report as JSON.
  ///
  /// - Throws: `Failure` if the file cannot be written.
  func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    try writeText(String(decoding: try encoder.encode(self), as: UTF8.self) + "\n", to: path)
  }

  /// Reads a report that `write(to:)` wrote.
  ///
  /// - Throws: `Failure` if the file cannot be read; `DecodingError` if it is not a report.
  static func read(_ path: String) throws -> Report {
    guard let text = readText(path) else { throw Failure("cannot read \(path)") }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try decoder.decode(Report.self, from: Data(text.utf8))
  }
}
