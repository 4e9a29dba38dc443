internal import Glibc
internal import TelpherClient

/// What a command takes over from this process if the user named no server: it runs in this folder
/// and with this environment, whether a server of the user's runs it or one that was started for it.
struct LocalSurroundings {
  /// The absolute path of this process's working directory.
  let directory: ByteText

  /// - Throws: `Failure` if the folder has no path: it was removed, or can't be reached from the root.
  init() throws(Failure) {
    directory = try Self.workingDirectory()
  }

  /// The path of the folder that `path`, an option of the user's, names.
  func resolve(_ path: ByteText?) -> ByteText {
    guard let path else { return directory }
    if path.bytes.first == UInt8(ascii: "/") { return path }
    return ByteText(directory.bytes + [UInt8(ascii: "/")] + path.bytes)
  }

  /// This process's variables for a command that starts from none. PWD is left to the server, which
  /// sets it to the working directory.
  ///
  /// - Returns: beside the variables, the names that can't be passed on, since they are not UTF-8.
  static func environment() -> (variables: [String: ByteText?], unsendable: [SystemString]) {
    var variables: [String: ByteText?] = [:]
    var unsendable: [SystemString] = []
    for (name, value) in Environment.all() where name != "PWD" {
      if let name = String(validating: name.bytes, as: UTF8.self) {
        variables[name] = ByteText(value.bytes)
      } else {
        unsendable.append(name)
      }
    }
    return (variables, unsendable)
  }

  /// PWD if it names the working directory, as `pwd -L` has it: it may lead through symlinks that the
  /// user knows the folder by. Else getcwd(3).
  private static func workingDirectory() throws(Failure) -> ByteText {
    if let path = getenv("PWD"), let here = identity("."), identity(path) == here {
      let path = ByteText(bytes(path))
      if isPlain(path) { return path }
    }
    guard let path = getcwd(nil, 0) else {
      throw Failure(
        "the working directory can't be passed on to the command: \(String(cString: strerror(errno))); change to another folder, or name one with --cwd",
        kind: "no_directory")
    }
    defer { free(path) }
    return ByteText(bytes(path))
  }

  /// Whether a path is absolute, and no part of it is `.` or `..`.
  private static func isPlain(_ path: ByteText) -> Bool {
    path.bytes.first == UInt8(ascii: "/")
      && !path.bytes.split(separator: UInt8(ascii: "/")).contains {
        $0 == [0x2E] || $0 == [0x2E, 0x2E]
      }
  }

  private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
  }

  /// Which folder a path leads to.
  private static func identity(_ path: UnsafePointer<CChar>) -> [UInt64]? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return [UInt64(status.st_dev), UInt64(status.st_ino)]
  }
}
