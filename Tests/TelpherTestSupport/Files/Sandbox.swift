internal import Glibc
package import TelpherFileStore
internal import TelpherTransport
internal import Testing

/// A temporary folder with a root and files outside the root. It is removed with its owner.
package final class Sandbox: Sendable {
  /// The path of the temporary folder.
  package let path: String
  /// `path/root`.
  package let root: Root

  package init() throws {
    var template = Array("/tmp/telpher-files-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw SystemFailure("mkdtemp") }
    path = String(cString: made)
    try check(mkdir("\(path)/root", 0o755), "mkdir")
    try check(mkdir("\(path)/outside", 0o755), "mkdir")
    root = try Root("\(path)/root")
    try writeOutside("secret", "secret")
  }

  deinit {
    guard let own = try? Root("/tmp"), let name = try? RelativePath(String(path.dropFirst(5)))
    else { return }
    try? own.remove(name, recursively: true)
  }

  /// The root's folder itself.
  package func top() throws -> Folder { try root.folder(.root) }

  /// The full path of something in the root.
  package func inside(_ name: String) -> String { "\(path)/root/\(name)" }

  package func makeFolder(_ name: String) throws { try check(mkdir(inside(name), 0o755), "mkdir") }

  package func link(_ name: String, to target: String) throws {
    try check(symlink(target, inside(name)), "symlink")
  }

  package func write(_ name: String, _ text: String) throws { try Self.write(inside(name), text) }

  package func writeOutside(_ name: String, _ text: String) throws {
    try Self.write("\(path)/outside/\(name)", text)
  }

  /// The text of a file in the root; nil if there is none.
  package func text(_ name: String) -> String? { Self.text(inside(name)) }

  /// The files outside the root: each name with its text and status. The times in the status reveal
  /// every change, also a name that was added and removed.
  package func outside() throws -> [String] {
    let around = try Root(path)
    let folder = try around.folder("outside")
    return try ["\(around.status("outside", followsLink: false).0)"]
      + folder.names().map { name in
        let status = try #require(try folder.status(of: name))
        let shown = String(decoding: name, as: UTF8.self)
        return "\(shown) \(Self.text("\(path)/outside/\(shown)") ?? "-") \(status)"
      }
  }

  private static func write(_ path: String, _ text: String) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    try check(file, "open")
    defer { close(file) }
    let written = text.utf8CString.withUnsafeBytes {
      Glibc.write(file, $0.baseAddress, $0.count - 1)
    }
    guard written == text.utf8.count else { throw SystemFailure("write") }
  }

  /// The text of a file anywhere; nil if there is none.
  package static func text(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_NONBLOCK)
    guard file >= 0 else { return nil }
    defer { close(file) }
    let text = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
      count = max(0, read(file, buffer.baseAddress, buffer.count))
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// A system call that the test itself needs has failed.
package struct SystemFailure: Error, CustomStringConvertible {
  package let description: String
  package init(_ call: String) { description = "\(call): \(describe(errno: errno))" }
}

package func check(_ result: Int32, _ call: String) throws {
  if result < 0 { throw SystemFailure(call) }
}

/// The code of what `body` throws.
package func code(_ body: () throws -> Void) -> FileError.Code? {
  do {
    try body()
    return nil
  } catch { return (error as? FileError)?.code }
}

/// The amount of work of a test: little by default, all with TELPHER_SLOW=1 in the environment.
package enum Scale {
  package static let isFull = getenv("TELPHER_SLOW") != nil
}
