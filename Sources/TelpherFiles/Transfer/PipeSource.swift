internal import Glibc

/// A pipe that a user names as a source: what a shell makes of `<(command)`, or a FIFO.
package final class PipeSource: Sendable {
  /// Where it is read.
  package let descriptor: Int32
  private let isOwned: Bool

  /// The names of a process's own descriptors: proc(5).
  private static let ownFolders = ["/dev/fd/", "/proc/self/fd/"]

  /// The pipe at `path`; nil if something else is there, or nothing. A FIFO without a writer is waited for
  /// when it is read.
  ///
  /// - Throws: `FileError` if it cannot be opened.
  package init?(_ path: [UInt8]) throws(FileError) {
    let text = String(decoding: path, as: UTF8.self)
    var status = stat()
    guard path.withCPath({ stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFIFO else {
      return nil
    }
    // Opened anew, a pipe whose writer has ended would wait for another one.
    if let own = Self.ownDescriptor(text) {
      (descriptor, isOwned) = (own, false)
      return
    }
    let number = path.withCPath { open($0, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY) }
    guard number >= 0 else { throw FileError("read", named: text, errno: errno) }
    (descriptor, isOwned) = (number, true)
  }

  deinit { if isOwned { close(descriptor) } }

  private static func ownDescriptor(_ path: String) -> Int32? {
    if path == "/dev/stdin" { return STDIN_FILENO }
    guard let folder = ownFolders.first(where: path.hasPrefix) else { return nil }
    return Int32(path.dropFirst(folder.count))
  }
}
