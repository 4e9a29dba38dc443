/// Why bytes are not JSON that this module reads.
package enum JSONFault: Error, Equatable {
  /// They are not UTF-8.
  case encoding
  /// They do not follow the grammar of JSON.
  case syntax
  /// Arrays and objects are nested too deeply.
  case depth
  /// There are too many values.
  case values
}

/// The limits of what is parsed. They are checked while parsing, before memory is allocated.
package struct JSONLimits: Sendable {
  /// The most arrays and objects that may contain each other.
  package var depth: Int
  /// The most values: one more than there are commas.
  package var values: Int

  /// Limits for JSON whose length is limited, which bounds the number of its values.
  package init(depth: Int = 64, values: Int = .max) {
    self.depth = depth
    self.values = values
  }
}
