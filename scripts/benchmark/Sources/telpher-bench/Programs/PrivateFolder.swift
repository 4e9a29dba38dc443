internal import Glibc
internal import TelpherTransport

/// A temporary folder of this run that other users cannot access.
struct PrivateFolder: Sendable {
  let path: String

  /// Creates a folder in `parent`.
  ///
  /// - Throws: `Failure` if that fails.
  init(in parent: String) throws(Failure) {
    var template = Array("\(parent)/telpher-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw Failure("cannot make a folder in \(parent): \(describe(errno: errno))")
    }
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  /// Returns the path of `name` in the folder.
  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file with mode 600 into the folder and returns its path.
  @discardableResult
  func write(_ text: String, to name: String) throws(Failure) -> String {
    let file = open(self(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw Failure("cannot make \(self(name))") }
    defer { close(file) }
    let bytes = Array(text.utf8)
    guard Glibc.write(file, bytes, bytes.count) == bytes.count else {
      throw Failure("cannot write \(self(name))")
    }
    return self(name)
  }

  /// Removes the file or folder `name`, including its contents, from the folder.
  func remove(_ name: String) { Self.removeTree(self(name)) }

  /// Removes the folder and its contents.
  func remove() { Self.removeTree(path) }

  private static func removeTree(_ path: String) {
    // unlink(2) removes a link itself and does not follow it.
    guard unlink(path) != 0, let folder = opendir(path) else { return }
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { removeTree("\(path)/\(name)") }
    }
    closedir(folder)
    rmdir(path)
  }
}
