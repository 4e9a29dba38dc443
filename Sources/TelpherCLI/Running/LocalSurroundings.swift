internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// The working directory and environment that a command gets from this process if the user named no
/// server. They are the same with the user's own server and with a temporary one.
struct LocalSurroundings {
  /// The absolute path of this process's working directory.
  let directory: ByteText

  /// Finds the working directory.
  ///
  /// - Throws: `Failure` if it has no path: it was removed, or can't be reached from the root.
  init() throws(Failure) {
    directory = try Self.workingDirectory()
  }

  /// The absolute path for the value of --cwd; nil is the working directory.
  func resolve(_ path: ByteText?) -> ByteText {
    guard let path else { return directory }
    if path.bytes.first == UInt8(ascii: "/") { return path }
    return ByteText(directory.bytes + [UInt8(ascii: "/")] + path.bytes)
  }

  /// This process's variables, for a command that does not inherit those of the server. PWD is left
  /// out: the server sets it to the working directory.
  ///
  /// - Returns: the variables, and the names that can't be sent because they are not UTF-8.
  static func environment() -> (variables: [ExactText: ByteText?], unsendable: [SystemString]) {
    var variables: [ExactText: ByteText?] = [:]
    var unsendable: [SystemString] = []
    for (name, value) in Environment.all() where name != "PWD" {
      if let name = String(validating: name.bytes, as: UTF8.self) {
        variables[ExactText(name)] = ByteText(value.bytes)
      } else {
        unsendable.append(name)
      }
    }
    return (variables, unsendable)
  }

  /// $PWD if it is a path of the working directory, as in `pwd -L`, because the user may know the
  /// folder by a path with symlinks. Else the result of getcwd(3).
  private static func workingDirectory() throws(Failure) -> ByteText {
    if let path = getenv("PWD"), let here = identity("."), identity(path) == here {
      let path = ByteText(bytes(path))
      if isPlain(path) { return path }
    }
    guard let path = getcwd(nil, 0) else {
      throw Failure(
        "the working directory can't be passed on to the command: \(describe(errno: errno)); change to another folder, or name an absolute path with --cwd",
        kind: "no_directory")
    }
    defer { free(path) }
    return ByteText(bytes(path))
  }

  /// Whether a path is absolute and has no part `.` or `..`.
  private static func isPlain(_ path: ByteText) -> Bool {
    path.bytes.first == UInt8(ascii: "/")
      && !path.bytes.split(separator: UInt8(ascii: "/")).contains {
        $0 == [0x2E] || $0 == [0x2E, 0x2E]
      }
  }

  private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
  }

  /// The device and inode of the folder at `path`; nil if there is none.
  private static func identity(_ path: UnsafePointer<CChar>) -> [UInt64]? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return [UInt64(status.st_dev), UInt64(status.st_ino)]
  }
}
