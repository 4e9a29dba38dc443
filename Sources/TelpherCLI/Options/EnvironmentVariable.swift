internal import ArgumentParser
internal import TelpherClient

/// One variable of `--env`.
struct EnvironmentVariable: Sendable, Equatable {
  var name: String
  var value: ByteText

  /// Reads `NAME=VALUE`. The value may be empty, and may contain equals signs.
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
    let name = text[..<equals]
    guard ArgumentText.isPlain(name) else {
      throw ValidationError("the variable name '\(name)' is not UTF-8")
    }
    let value = ByteText(ArgumentText.bytes(of: text[text.index(after: equals)...]))
    return EnvironmentVariable(name: String(name), value: value)
  }
}
