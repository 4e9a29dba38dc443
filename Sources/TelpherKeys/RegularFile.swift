internal import Glibc
internal import TelpherTransport

/// Reads small files of text whole.
enum RegularFile {
  /// The bytes of a regular file and what the system says of it.
  struct Contents {
    let bytes: [UInt8]
    let status: stat
  }

  /// Reads the file at `path`.
  ///
  /// - Parameter limit: the most bytes that it may have.
  /// - Returns: nil if nothing exists at the path.
  /// - Throws: `KeyError` if it can't be read, is not a regular file, or is too long.
  static func read(_ path: String, limit: Int) throws(KeyError) -> Contents? {
    // O_NONBLOCK: opening a FIFO would otherwise block until another process opens it for writing.
    let file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
    guard file >= 0 else {
      if errno == ENOENT { return nil }
      throw KeyError("cannot open \(path): \(describe(errno: errno))")
    }
    defer { close(file) }
    return Contents(bytes: try read(file, path, limit: limit), status: try status(file, path))
  }

  /// What the system says of an open file.
  ///
  /// - Throws: `KeyError` if it is not a regular file.
  static func status(_ file: Int32, _ path: String) throws(KeyError) -> stat {
    var status = stat()
    guard fstat(file, &status) == 0 else {
      throw KeyError("cannot examine \(path): \(describe(errno: errno))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw KeyError("\(path) is not a regular file")
    }
    return status
  }

  /// Reads an open file from its position to its end.
  static func read(_ file: Int32, _ path: String, limit: Int) throws(KeyError) -> [UInt8] {
    _ = try status(file, path)
    return try readAll(file, path, limit: limit)
  }

  /// Reads an open file, pipe or socket to its end.
  static func readAll(_ file: Int32, _ path: String, limit: Int) throws(KeyError) -> [UInt8] {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = piece.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw KeyError("cannot read \(path): \(describe(errno: errno))") }
      if count == 0 { return bytes }
      bytes += piece[..<count]
      guard bytes.count <= limit else { throw KeyError("\(path) is longer than \(limit) bytes") }
    }
  }

  /// Writes all bytes to an open file.
  ///
  /// - Throws: `KeyError`; a part may then be written.
  static func write(_ bytes: [UInt8], to file: Int32, _ path: String) throws(KeyError) {
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw KeyError("cannot write \(path): \(describe(errno: errno))") }
      written += count
    }
    guard fsync(file) == 0 else {
      throw KeyError("cannot write \(path) to disk: \(describe(errno: errno))")
    }
  }
}

/// Small files of text.
package enum TextFile {
  /// The longest file in bytes: a key with a comment.
  package static let maxLength = 64 << 10

  /// The text of a file.
  ///
  /// - Throws: `KeyError` if it does not exist, is not a regular file, or is too long.
  package static func read(_ path: String) throws(KeyError) -> String {
    guard let contents = try RegularFile.read(path, limit: maxLength) else {
      throw KeyError("there is no file \(path)")
    }
    return String(decoding: contents.bytes, as: UTF8.self)
  }

  /// Whether something exists at the path.
  package static func exists(_ path: String) throws(KeyError) -> Bool {
    guard !path.utf8.contains(0) else { throw KeyError("a path contains a NUL byte") }
    return access(path, F_OK) == 0
  }
}
