internal import Glibc
internal import TelpherFileStore
internal import TelpherTransport

/// A small file of a job: a digest, a space, a value and a line feed. Further bytes are ignored. A
/// file that was written only in part has no value.
enum JobFile {
  /// The length of the file that gets the result, in bytes: a result with the longest message, each
  /// byte of which JSON may write as six, and a kibibyte for the rest.
  static let stateLength = 8 << 10
  /// The longest message of a result in bytes.
  static let messageLength = 1_024
  /// The longest file that is read, in bytes: a claim contains few and short values.
  private static let longest = 64 << 10

  /// The content of a file with this value.
  static func record(_ value: [UInt8]) -> [UInt8] {
    Array("\(digest(of: value)) ".utf8) + value + [UInt8(ascii: "\n")]
  }

  /// Makes a file with this content.
  ///
  /// - Throws: `JobsFolder.Failure`.
  static func create(_ path: SystemString, _ content: [UInt8]) throws(JobsFolder.Failure) {
    try write(path, O_CREAT | O_EXCL, content)
  }

  /// Replaces the first bytes of a file.
  ///
  /// - Throws: `JobsFolder.Failure`.
  static func overwrite(_ path: SystemString, _ content: [UInt8]) throws(JobsFolder.Failure) {
    precondition(content.count <= stateLength, "the message was cut to fit")
    try write(path, 0, content)
  }

  private static func write(
    _ path: SystemString, _ flags: Int32, _ content: [UInt8]
  ) throws(JobsFolder.Failure) {
    let file = path.withCString { open($0, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0o600) }
    guard file >= 0 else { throw JobsFolder.Failure("cannot open \(path)", errno: errno) }
    defer { close(file) }
    var written = 0
    while written < content.count {
      let count = content.withUnsafeBytes {
        pwrite(file, $0.baseAddress! + written, content.count - written, off_t(written))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw JobsFolder.Failure("cannot write \(path)", errno: errno) }
      written += count
    }
  }

  /// The result of reading a file.
  enum Content {
    /// The file has this value.
    case value([UInt8])
    /// There is no such file.
    case missing
    /// It can't be read, or its contents do not match their digest; with the reason.
    case unreadable(String)
  }

  /// Reads the value of a file.
  static func read(_ path: SystemString) -> Content {
    let file = path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }
    guard file >= 0 else {
      return errno == ENOENT ? .missing : .unreadable(describe(errno: errno))
    }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: longest)
    var length = 0
    while length < bytes.count {
      let count = bytes.withUnsafeMutableBytes {
        Glibc.read(file, $0.baseAddress! + length, $0.count - length)
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return .unreadable(describe(errno: errno)) }
      if count == 0 { break }
      length += count
    }
    guard let end = bytes[..<length].firstIndex(of: UInt8(ascii: "\n")),
      let space = bytes[..<end].firstIndex(of: UInt8(ascii: " "))
    else { return .unreadable("it is damaged") }
    let value = Array(bytes[(space + 1)..<end])
    return Array(digest(of: value).utf8) == Array(bytes[..<space])
      ? .value(value) : .unreadable("it is damaged")
  }

  private static func digest(of value: [UInt8]) -> String {
    var hasher = FileHasher(.xxh128)
    value.withUnsafeBytes { hasher.update($0) }
    return hasher.digest
  }
}
