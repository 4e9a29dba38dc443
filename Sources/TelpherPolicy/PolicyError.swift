/// A mistake in a policy file.
package struct PolicyError: Error, Equatable, CustomStringConvertible {
  /// The name of the file.
  package let file: String
  /// The number of the line, from 1.
  package let line: Int
  /// What is wrong, in plain text. It contains the text of the file unescaped.
  package let message: String

  /// The message after the file and the line.
  package var description: String { "\(file):\(line): \(message)" }
}

/// What is wrong on a line. `Policy` knows the file.
struct PolicyFault: Error {
  let line: Int
  let message: String
  init(_ line: Int, _ message: String) { (self.line, self.message) = (line, message) }
}
