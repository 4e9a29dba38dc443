/// An error number of errno(3). It is thrown inside a module until a caller knows what failed and
/// throws an error with a message.
package struct ErrorNumber: Error {
  package var value: Int32
  package init(_ value: Int32) { self.value = value }
}
