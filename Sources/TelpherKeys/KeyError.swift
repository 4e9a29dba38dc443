/// Why a key, a signature or a file of keys can't be used. The message is for the user and quotes
/// nothing that is unsafe to show.
package struct KeyError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The message.
  package let description: String

  /// An error with this message.
  package init(_ description: String) { self.description = description }
}
