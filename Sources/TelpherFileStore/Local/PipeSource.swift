internal import Glibc

/// A pipe that a user names as a source: a FIFO, or the pipe that a shell makes for `<(command)`.
package final class PipeSource: Sendable {
  /// The descriptor to read from.
  package let descriptor: Int32
  private let isOwned: Bool

  /// The folders of a process's own descriptors (proc(5)).
  private static let ownFolders = ["/dev/fd/", "/proc/self/fd/"]

  /// Opens the pipe at `path`; nil if `path` is not a pipe or does not exist. Opening a FIFO does
  /// not wait for a writer.
  ///
  /// - Throws: `FileError` if it can't be opened.
  package init?(_ path: [UInt8]) throws(FileError) {
    var status = stat()
    guard path.withCPath({ stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFIFO else {
      return nil
    }
    let text = String(decoding: path, as: UTF8.self)
    // Use the own descriptor. A reopened pipe whose writer has ended would wait for a new writer.
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
