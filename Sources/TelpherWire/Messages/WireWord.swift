/// A word on the wire from a list that may grow: a peer may send words that are not listed here. It
/// is a JSON string.
package protocol WireWord: Sendable, Hashable, Codable, CustomStringConvertible {
  /// The value with this word.
  init(_ word: String)
}

extension WireWord {
  package init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(String.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
