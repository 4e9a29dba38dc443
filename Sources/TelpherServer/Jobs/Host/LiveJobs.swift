internal import Glibc
internal import Synchronization
package import TelpherTransport

/// The number of jobs that run in a folder of jobs: the file `live`, 8 bytes, little-endian. The job host
/// writes it, and servers read it without a question to the host, so that they can count jobs among the
/// commands of a client before they start another one. Any thread may use it.
///
/// The number counts only while the host holds its lock: a host that was killed leaves an old number,
/// but no job that runs.
package final class LiveJobs: Sendable {
  private let file: Int32
  private let count = Atomic<UInt64>(0)

  /// Opens the file in the folder `folder` of jobs, with the number 0.
  ///
  /// - Throws: `ErrorNumber`.
  init(in folder: SystemString) throws(ErrorNumber) {
    let flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW
    let file = Self.path(folder).withCString { open($0, flags, 0o600) }
    guard file >= 0 else { throw ErrorNumber(errno) }
    self.file = file
    // It has its 8 bytes from now on, so a full disk does not matter later. If this throws, `deinit`
    // closes the file.
    guard publish(0) else { throw ErrorNumber(errno) }
  }

  deinit { close(file) }

  private static func path(_ folder: SystemString) -> SystemString {
    SystemString(folder.bytes + Array("/live".utf8))
  }

  /// The number now.
  var current: Int { Int(count.load(ordering: .relaxed)) }

  /// A job begins.
  func didBegin() { publish(count.add(1, ordering: .relaxed).newValue) }

  /// A job has ended.
  func didEnd() { publish(count.subtract(1, ordering: .relaxed).newValue) }

  @discardableResult
  private func publish(_ number: UInt64) -> Bool {
    withUnsafeBytes(of: number.littleEndian) {
      pwrite(file, $0.baseAddress, $0.count, 0) == $0.count
    }
  }

  /// The number in the folder of a host, which holds `lock` as long as it runs.
  ///
  /// - Returns: nil if a host runs and its number can't be read: it may be one of an older version.
  package static func read(in folder: SystemString, lock: SystemString) -> Int? {
    let held = lock.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }
    guard held >= 0 else { return errno == ENOENT ? 0 : nil }
    defer { close(held) }
    // A shared lock that is given up at once: a host that starts in this moment tries again.
    if flock(held, LOCK_SH | LOCK_NB) == 0 { return 0 }
    let file = path(folder).withCString { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }
    guard file >= 0 else { return nil }
    defer { close(file) }
    var number: UInt64 = 0
    let length = MemoryLayout.size(ofValue: number)
    guard pread(file, &number, length, 0) == length else { return nil }
    return Int(exactly: UInt64(littleEndian: number))
  }
}
