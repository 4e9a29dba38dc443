/// A user of the system.
package struct Account: Sendable, Hashable {
  /// The name.
  package let name: String
  /// The number.
  package let user: UInt32

  /// A user.
  package init(name: String, user: UInt32) { (self.name, self.user) = (name, user) }
}
