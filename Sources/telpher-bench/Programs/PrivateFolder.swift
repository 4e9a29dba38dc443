internal import Glibc

/// A folder of this run's own, which nobody else can enter.
struct PrivateFolder: Sendable {
  let path: String

  /// Makes one in `parent`.
  ///
  /// - Throws: `Failure` where it can't be made.
  init(in parent: String) throws(Failure) {
    var template = Array("\(parent)/telpher-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw Failure("cannot make a folder in \(parent): \(String(cString: strerror(errno)))")
    }
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  /// The path of `name` in it.
  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file in it, for its owner alone.
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

  /// Removes `path` below it, folders with all that they hold.
  func remove(_ name: String) { Self.removeTree(self(name)) }

  /// Removes it with all that it holds.
  func remove() { Self.removeTree(path) }

  private static func removeTree(_ path: String) {
    // Links are removed and not followed.
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
