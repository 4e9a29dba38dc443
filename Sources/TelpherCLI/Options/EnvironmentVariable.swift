internal import ArgumentParser
internal import TelpherClient

/// One variable of `--env`.
struct EnvironmentVariable: Sendable, Equatable {
  var name: String
  var value: ByteText

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
    let name = text[..<equals]
    guard ArgumentText.isPlain(name) else {
      throw ValidationError("the name of a variable is UTF-8, and '\(name)' is not")
    }
    let value = ByteText(ArgumentText.bytes(of: text[text.index(after: equals)...]))
    return EnvironmentVariable(name: String(name), value: value)
  }
}
