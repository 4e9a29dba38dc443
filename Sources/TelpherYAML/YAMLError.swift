/// A mistake in a text, or something in it that this module does not read.
package struct YAMLError: Error, Equatable, CustomStringConvertible {
  /// The number of the line, from 1.
  package let line: Int
  /// What is wrong, in plain text. It contains the text of the file unescaped.
  package let message: String

  /// The message after the number of its line.
  package var description: String { "line \(line): \(message)" }
}

/// What is wrong. `YAMLReader` knows the line.
struct YAMLFault: Error {
  let message: String
  init(_ message: String) { self.message = message }
}
