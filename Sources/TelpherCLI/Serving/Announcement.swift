internal import Glibc

/// The line that tells whoever started a server that it listens.
enum Announcement {
  /// Prints `listening on ADDRESS`.
  ///
  /// - Throws: `Failure` where standard output can't be written.
  static func print(_ address: some CustomStringConvertible) throws(Failure) {
    do throws(Descriptor.CallError) {
      try Descriptor.output.write("listening on \(address)\n")
    } catch {
      // Whoever started us may be gone already; that is no reason to end.
      guard error.number == EPIPE else {
        throw Failure("cannot write standard output: \(error.text)")
      }
    }
  }
}
