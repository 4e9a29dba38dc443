internal import Glibc
internal import Synchronization
internal import TelpherTransport

/// A file with one line of JSON for each connection and each operation of a server's clients. Any
/// thread may use it.
///
/// Each line is appended by one call, so lines of several processes do not mix. A file that was renamed
/// or removed is made anew at the next line, so it can be rotated at any time.
package final class AuditLog: Sendable {
  /// Why a line can't be recorded. The message names the file.
  package struct Failure: Error, Sendable {
    /// The message.
    package let message: String
  }

  /// Its path.
  package let path: String
  /// Whether nothing may be done that can't be recorded.
  package let isRequired: Bool
  private let file: Mutex<Int32>

  /// The log at `path`, which is made if it does not exist (mode 0600).
  ///
  /// - Throws: `Failure` if it can't be opened for writing.
  package init(_ path: String, isRequired: Bool) throws(Failure) {
    self.path = path
    self.isRequired = isRequired
    file = Mutex(try Self.open(path))
  }

  deinit { file.withLock { _ = close($0) } }

  private static func open(_ path: String) throws(Failure) -> Int32 {
    let flags = O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC
    let file = Glibc.open(path, flags, 0o600)
    guard file >= 0 else {
      throw Failure(message: "cannot open the audit file \(path): \(describe(errno: errno))")
    }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(file)
      throw Failure(message: "the audit file \(path) is not a regular file")
    }
    return file
  }

  /// Appends a line.
  ///
  /// - Parameter line: JSON without a newline.
  /// - Throws: `Failure` if the whole line can't be written. A part of it is then ended by a newline
  ///   before the next line.
  func append(_ line: [UInt8]) throws(Failure) {
    let result: Result<Void, Failure> = file.withLock { file in
      do throws(Failure) {
        try renew(&file)
        let bytes = line + [UInt8(ascii: "\n")]
        var count = write(file, bytes, bytes.count)
        while count < 0 && errno == EINTR { count = write(file, bytes, bytes.count) }
        guard count == bytes.count else {
          let reason = count < 0 ? describe(errno: errno) : "only a part was written"
          // What was written ends here, so that the next line is one.
          if count > 0 { _ = write(file, "\n", 1) }
          throw Failure(message: "cannot write the audit file \(path): \(reason)")
        }
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// Opens the file again if another one, or none, has its name.
  private func renew(_ file: inout Int32) throws(Failure) {
    var named = stat()
    var open = stat()
    if stat(path, &named) == 0, fstat(file, &open) == 0, named.st_ino == open.st_ino,
      named.st_dev == open.st_dev
    {
      return
    }
    let new = try Self.open(path)
    close(file)
    file = new
  }
}
