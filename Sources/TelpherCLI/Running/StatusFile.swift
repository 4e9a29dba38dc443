internal import Glibc

/// The descriptor of `--status-fd`, which this process inherited, and gets the result object.
struct StatusFile: Sendable {
  private let descriptor: Descriptor

  /// - Throws: `Failure` if `number` is not open for writing.
  init(_ number: Int32) throws(Failure) {
    let flags = fcntl(number, F_GETFL)
    guard flags >= 0, flags & O_ACCMODE != O_RDONLY else {
      throw Failure(
        "descriptor \(number) is not open for writing: a shell opens one with \(number)>FILE")
    }
    // A server that is started for this command must not hold it open, or its reader would wait for
    // that one's end. The standard ones are passed on by name.
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
