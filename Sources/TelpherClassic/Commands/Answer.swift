internal import TelpherFileStore
internal import TelpherTransport

/// The complete output of a command: standard output, then standard error.
struct Answer {
  private let parts: [Spool]

  /// The number of bytes, not of characters.
  var count: Int64 { parts.reduce(0) { $0 + $1.count } }

  /// An answer that consists of a note.
  init(note: [UInt8]) {
    parts = [Spool(note)]
  }

  /// Collects the whole output of `command`.
  ///
  /// - Throws: `ClassicError`: `limit` if the output is longer than `limit` bytes, `system` if it
  ///   cannot be stored. The command is ended first.
  init(of command: ShellCommand, limit: Int64, _ limits: ClassicLimits) async throws(ClassicError) {
    let standard = Spool(memoryLimit: limits.keptInMemory)
    let error = Spool(memoryLimit: limits.keptInMemory)
    do throws(ClassicError) {
      while let (output, chunk) = await command.next() {
        guard standard.count + error.count + Int64(chunk.count) <= limit else {
          throw ClassicError(
            .limit, "the output has more than \(limit) bytes, \(Self.reason(limit, limits))")
        }
        try await (output == .standard ? standard : error).append(chunk)
      }
    } catch {
      command.end()
      throw error
    }
    parts = [standard, error]
  }

  private static func reason(_ limit: Int64, _ limits: ClassicLimits) -> String {
    limit == limits.announcedBytes
      ? "the most that a length of 4 bytes can announce: use the dialect 'size' or 'header'"
      : "the most that is stored before it is sent: use the dialect 'raw'"
  }

  /// The MD5 (RFC 1321) of the answer in hexadecimal digits.
  func md5() async throws(ClassicError) -> String {
    var digest = FileHasher(.md5)
    for part in parts {
      try await part.forEach { (chunk) throws(ClassicError) in
        let before = digest
        digest = try await Blocking.run { () throws(ClassicError) in before.updated(with: chunk) }
      }
    }
    return digest.digest
  }

  /// Writes the answer to `client`, as fast as the client reads.
  func write(to client: PulledStream) async throws(ClassicError) {
    for part in parts {
      try await part.forEach { (chunk) throws(ClassicError) in try await client.write(chunk) }
    }
  }
}

extension FileHasher {
  /// A copy of this hasher that has also read the bytes of `chunk`.
  func updated(with chunk: Chunk) -> FileHasher {
    var copy = self
    chunk.withUnsafeBytes { copy.update($0) }
    return copy
  }
}
