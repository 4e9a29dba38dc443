internal import ArgumentParser

/// One variable of `--env`.
struct EnvironmentVariable: Sendable, Equatable {
  var name: String
  var value: String

  /// Reads `NAME=VALUE`; the value may be empty and may hold more equals signs.
  ///
  /// - Throws: `ValidationError` that says what is missing.
  static func parse(_ text: String) throws -> EnvironmentVariable {
    guard let equals = text.firstIndex(of: "=") else {
      throw ValidationError(
        "'\(text)' has no '=': write NAME=VALUE, or \(text)= for an empty value")
    }
    guard equals != text.startIndex else {
      throw ValidationError("'\(text)' has no name before '='")
    }
    return EnvironmentVariable(
      name: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
  }
}
