internal import Glibc

/// The inherited descriptor of `--status-fd`, to which the result object is written.
struct StatusFile: Sendable {
  private let descriptor: Descriptor

  /// Checks the descriptor.
  ///
  /// - Throws: `Failure` if `number` is not open for writing.
  init(_ number: Int32) throws(Failure) {
    let flags = fcntl(number, F_GETFL)
    guard flags >= 0, flags & O_ACCMODE != O_RDONLY else {
      throw Failure(
        "descriptor \(number) is not open for writing; open it in the shell with \(number)>FILE")
    }
    // A temporary server must not inherit the descriptor: its reader would wait for the server's
    // end. The standard streams are replaced in the server anyway.
    if number > STDERR_FILENO { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
    descriptor = Descriptor(number: number, name: "descriptor \(number)")
  }

  /// Writes `report` as one line.
  ///
  /// - Throws: `Failure` if it can't be written.
  func write(_ report: RunReport) throws(Failure) {
    try JSONText.print(report, to: descriptor)
  }
}
