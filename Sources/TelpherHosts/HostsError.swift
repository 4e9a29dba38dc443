/// A mistake in a host set, in a file of groups or in an inventory.
package struct HostsError: Error, Equatable, CustomStringConvertible {
  /// What is wrong and where, in plain text. It contains the user's own text unescaped.
  package let description: String

  /// Creates an error.
  package init(_ description: String) { self.description = description }
}
