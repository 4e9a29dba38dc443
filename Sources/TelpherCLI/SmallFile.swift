internal import Glibc
internal import TelpherTransport

/// Reads small text files that a user writes, such as configuration.
enum SmallFile {
  /// The greatest size in bytes, unless the caller has another limit.
  private static let usualLimit = 1 << 20

  /// The text of the file at `path`.
  ///
  /// - Parameter limit: the greatest size in bytes.
  /// - Throws: `Failure` if it can't be read, is too long or is not UTF-8.
  static func text(_ path: String, limit: Int = usualLimit) throws(Failure) -> String {
    let number = open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else {
      throw Failure("cannot open \(path): \(describe(errno: errno))")
    }
    defer { close(number) }
    return try text(of: Descriptor(number: number, name: path), limit: limit)
  }

  /// The text that `file` contains from its position on.
  ///
  /// - Throws: as `text(_:)`.
  static func text(of file: Descriptor, limit: Int = usualLimit) throws(Failure) -> String {
    var bytes: [UInt8] = []
    do throws(Descriptor.CallError) {
      while bytes.count <= limit, let chunk = try file.read(upTo: limit) {
        bytes.append(contentsOf: chunk)
      }
    } catch {
      throw Failure("cannot read \(file.name): \(error.text)")
    }
    guard bytes.count <= limit, let text = String(validating: bytes, as: UTF8.self) else {
      throw Failure("\(file.name) is not a UTF-8 text of at most \(limit) bytes")
    }
    return text
  }
}
