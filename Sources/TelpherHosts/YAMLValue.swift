/// A value of a YAML document.
indirect enum YAMLValue: Equatable {
  /// Nothing, `~` or `null`.
  case null
  /// A text, number or word.
  case scalar(String)
  /// A sequence.
  case list([YAMLValue])
  /// A mapping in the order of the text. If a key occurs twice, both entries are here.
  case mapping([(String, YAMLValue)])

  static func == (a: YAMLValue, b: YAMLValue) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.scalar(let a), .scalar(let b)): a == b
    case (.list(let a), .list(let b)): a == b
    case (.mapping(let a), .mapping(let b)): a.elementsEqual(b) { $0.0 == $1.0 && $0.1 == $1.1 }
    default: false
    }
  }

  /// The value of a plain scalar.
  static func plain(_ text: String) -> YAMLValue {
    ["", "~", "null", "Null", "NULL"].contains(text) ? .null : .scalar(text)
  }
}
