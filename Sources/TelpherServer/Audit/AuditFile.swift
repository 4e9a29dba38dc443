internal import Glibc
internal import Synchronization
internal import TelpherTransport

/// The file of an audit log. Any thread may use it.
///
/// Each line is appended by one call, so lines of several processes do not mix. A file that was renamed
/// or removed is made anew at the next line, so it can be rotated at any time.
final class AuditFile: Sendable {
  private struct Opened {
    var number: Int32
    /// Whether the last line was written only in part, for example because the disk was full.
    var isInLine = false
  }

  private let path: String
  private let opened: Mutex<Opened>

  /// The file at `path`, which is made if it does not exist (mode 0600).
  ///
  /// - Throws: `AuditLog.Failure` if it can't be opened for writing, or is no regular file.
  init(_ path: String) throws(AuditLog.Failure) {
    self.path = path
    opened = Mutex(Opened(number: try Self.open(path)))
  }

  deinit { opened.withLock { _ = close($0.number) } }

  private static func open(_ path: String) throws(AuditLog.Failure) -> Int32 {
    let flags = O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC
    let file = Glibc.open(path, flags, 0o600)
    guard file >= 0 else {
      throw AuditLog.Failure(
        message: "cannot open the audit file \(path): \(describe(errno: errno))")
    }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(file)
      throw AuditLog.Failure(message: "the audit file \(path) is not a regular file")
    }
    return file
  }

  /// Appends a line.
  ///
  /// - Parameter line: JSON without a newline.
  /// - Throws: `AuditLog.Failure` if the whole line can't be written. If only a part was written, the
  ///   next record begins on a new line.
  func append(_ line: [UInt8]) throws(AuditLog.Failure) {
    let result: Result<Void, AuditLog.Failure> = opened.withLock { opened in
      do throws(AuditLog.Failure) {
        if !isNamed(opened.number) { try renew(&opened) }
        let newline = UInt8(ascii: "\n")
        let bytes = (opened.isInLine ? [newline] : []) + line + [newline]
        var count = write(opened.number, bytes, bytes.count)
        while count < 0 && errno == EINTR { count = write(opened.number, bytes, bytes.count) }
        if count == bytes.count {
          opened.isInLine = false
          return .success(())
        }
        let reason = count < 0 ? describe(errno: errno) : "only a part was written"
        if count > 0 { opened.isInLine = true }
        throw AuditLog.Failure(message: "cannot write the audit file \(path): \(reason)")
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// Opens the file anew.
  ///
  /// - Throws: `AuditLog.Failure` if that fails; the next line tries it again.
  func reopen() throws(AuditLog.Failure) {
    let result: Result<Void, AuditLog.Failure> = opened.withLock { opened in
      do throws(AuditLog.Failure) { return .success(try renew(&opened)) } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// Whether the path still names the open file.
  private func isNamed(_ number: Int32) -> Bool {
    var named = stat()
    var open = stat()
    return stat(path, &named) == 0 && fstat(number, &open) == 0 && named.st_ino == open.st_ino
      && named.st_dev == open.st_dev
  }

  private func renew(_ opened: inout Opened) throws(AuditLog.Failure) {
    let new = try Self.open(path)
    // If it is the same file, its last line is still incomplete.
    let isInLine = opened.isInLine && isNamed(opened.number)
    close(opened.number)
    opened = Opened(number: new, isInLine: isInLine)
  }
}
