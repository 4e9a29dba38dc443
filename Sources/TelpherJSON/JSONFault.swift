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
  /// An object has too many keys.
  case keys
  /// A string has more combining marks in a row than `JSONLimits` allows.
  case marks
}

/// The limits of what is parsed. They are checked while parsing, before memory is allocated.
package struct JSONLimits: Sendable {
  /// The most combining marks in a row in the key of an object. Swift compares and hashes strings in
  /// a normalized form, and its time grows with the square of that number. Unicode's stream-safe
  /// text format (UAX #15) has at most 30.
  package static let keyMarks = 30
  /// The same for other strings, of which few are compared: file names and arguments may be any text.
  package static let marks = 1_000

  /// The most arrays and objects that may contain each other.
  package var depth: Int
  /// The most values: one more than there are commas.
  package var values: Int
  /// The most keys of one object. Each is hashed, so it takes much longer than another value.
  package var keys: Int

  /// Limits for JSON whose length is limited, which bounds the number of its values.
  package init(depth: Int = 64, values: Int = .max, keys: Int = .max) {
    self.depth = depth
    self.values = values
    self.keys = keys
  }
}
