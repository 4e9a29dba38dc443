internal import Glibc

/// The line on standard output that says that the server listens.
enum Announcement {
  /// Prints `listening on ADDRESS`.
  ///
  /// - Throws: `Failure` if standard output can't be written. A closed pipe is no error.
  static func print(_ address: some CustomStringConvertible) throws(Failure) {
    do throws(Descriptor.CallError) {
      try Descriptor.output.write("listening on \(address)\n")
    } catch {
      // The process that started this one may have ended; the server goes on.
      guard error.number == EPIPE else {
        throw Failure("cannot write standard output: \(error.text)")
      }
    }
  }
}
