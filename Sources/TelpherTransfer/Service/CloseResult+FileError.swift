package import TelpherFileStore
package import TelpherWire

extension CloseResult {
  /// The result of a request that failed.
  package init(_ error: FileError) {
    self.init(error.code == .badPath ? .refused : .failed, message: error.message)
    errno = error.errno
    path = error.path
  }
}
