internal import Glibc
internal import TelpherFileStore
internal import TelpherTransport

/// A regular file to send. Its calls block, except for the `async` ones.
final class LocalFile: Sendable {
  /// The last part of its path.
  let name: String
  /// Its size in bytes when it was opened.
  let size: Int64
  private let path: String
  private let descriptor: Int32

  /// The bytes of one read.
  private static let readSize = 256 * 1024

  /// - Throws: `ClassicError` (`system`) if the file cannot be read or is not a regular file.
  init(_ path: String) throws(ClassicError) {
    self.path = path
    name = path.split(separator: "/").last.map(String.init) ?? path
    // With O_NONBLOCK, opening a FIFO does not wait for a writer.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Self.error(path, describe(errno: errno)) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw Self.error(path, "it is not a regular file")
    }
    size = Int64(status.st_size)
  }

  deinit {
    close(descriptor)
  }

  /// Bytes from `offset` on: at least one if `offset` is less than `size`.
  ///
  /// - Throws: `ClassicError` (`system`) if reading fails or the file has become shorter.
  func read(at offset: Int64) throws(ClassicError) -> Chunk {
    let wanted = Int(min(Int64(Self.readSize), size - offset))
    return try Chunk(capacity: wanted) { (memory) throws(ClassicError) in
      while true {
        let count = pread(descriptor, memory.baseAddress, memory.count, Int(offset))
        if count > 0 { return count }
        if count == 0 { throw Self.error(path, "it became shorter while it was sent") }
        if errno != EINTR { throw Self.error(path, describe(errno: errno)) }
      }
    }
  }

  /// The MD5 of the file's `size` bytes, in hexadecimal digits.
  func md5() async throws(ClassicError) -> String {
    var digest = FileHasher(.md5)
    try await forEach { (chunk) throws(ClassicError) in
      let before = digest
      digest = try await Blocking.run { () throws(ClassicError) in before.updated(with: chunk) }
    }
    return digest.digest
  }

  /// Calls `body` with all `size` bytes, in pieces.
  func forEach(_ body: (Chunk) async throws(ClassicError) -> Void) async throws(ClassicError) {
    var offset: Int64 = 0
    while offset < size {
      let start = offset
      let chunk = try await Blocking.run { () throws(ClassicError) in try self.read(at: start) }
      try await body(chunk)
      offset += Int64(chunk.count)
    }
  }

  private static func error(_ path: String, _ reason: String) -> ClassicError {
    ClassicError(.system, "cannot read \(path): \(reason)")
  }
}
