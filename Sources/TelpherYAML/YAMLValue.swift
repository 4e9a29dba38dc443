/// A value of a YAML document.
package indirect enum YAMLValue: Equatable, Sendable {
  /// Nothing, `~` or `null`.
  case null
  /// A text, number or word.
  case scalar(String)
  /// A sequence.
  case list([YAMLNode])
  /// A mapping in the order of the text. If a key occurs twice, both entries are here.
  case mapping([YAMLEntry])

  /// The value of a plain scalar.
  static func plain(_ text: String) -> YAMLValue {
    ["", "~", "null", "Null", "NULL"].contains(text) ? .null : .scalar(text)
  }
}

/// A value and its place in the text.
package struct YAMLNode: Equatable, Sendable {
  /// The number of the line on which it begins, from 1.
  package let line: Int
  /// The value.
  package let value: YAMLValue
}

/// A key of a mapping and its value.
package struct YAMLEntry: Equatable, Sendable {
  /// The number of the key's line, from 1.
  package let line: Int
  /// The key.
  package let key: String
  /// The value.
  package let node: YAMLNode
}
