internal import Glibc
internal import TelpherFiles
internal import TelpherTransport

/// A regular file that is to be sent. Its calls block.
final class LocalFile: Sendable {
  /// Its own name.
  let name: String
  /// The number of its bytes when it was opened.
  let size: Int64
  private let path: String
  private let descriptor: Int32

  /// How much is read at a time.
  private static let readSize = 256 * 1024

  /// - Throws: `ClassicError` (`system`) where it can't be read or is no regular file.
  init(_ path: String) throws(ClassicError) {
    self.path = path
    name = path.split(separator: "/").last.map(String.init) ?? path
    // Not waiting for a FIFO's writer.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Self.error(path, String(cString: strerror(errno))) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw Self.error(path, "it is no regular file")
    }
    size = Int64(status.st_size)
  }

  deinit {
    close(descriptor)
  }

  /// Some of the bytes from `offset` on, at least one before `size`.
  ///
  /// - Throws: `ClassicError` (`system`), also where the file has become shorter.
  func read(at offset: Int64) throws(ClassicError) -> Chunk {
    let wanted = Int(min(Int64(Self.readSize), size - offset))
    return try Chunk(capacity: wanted) { (memory) throws(ClassicError) in
      while true {
        let count = pread(descriptor, memory.baseAddress, memory.count, Int(offset))
        if count > 0 { return count }
        if count == 0 { throw Self.error(path, "it has become shorter meanwhile") }
        if errno != EINTR { throw Self.error(path, String(cString: strerror(errno))) }
      }
    }
  }

  /// The MD5 of its `size` bytes.
  func md5() async throws(ClassicError) -> String {
    var digest = FileHasher(.md5)
    try await forEach { (chunk) throws(ClassicError) in
      let before = digest
      digest = try await Blocking.run { () throws(ClassicError) in before.updated(with: chunk) }
    }
    return digest.digest
  }

  /// Calls `body` with all `size` bytes, piece by piece.
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
