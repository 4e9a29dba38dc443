internal import TelpherFiles
internal import TelpherTransport

/// All that a command brought, standard output before standard error, and its length in bytes.
struct Answer {
  private let parts: [Spool]

  /// The number of bytes: not of characters, whatever the encoding.
  var count: Int64 { parts.reduce(0) { $0 + $1.count } }

  /// An answer that is a note.
  init(note: [UInt8]) {
    parts = [Spool(note)]
  }

  /// Gathers the whole output of `command`.
  ///
  /// - Throws: `ClassicError` where it is longer than `limit` or can't be kept; the command was ended
  ///   then.
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
      ? "which a length of 4 bytes can't announce: use the dialect 'size' or 'header'"
      : "and no more is kept until its length is known: use the dialect 'raw'"
  }

  /// Its MD5 (RFC 1321) in hexadecimal digits.
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

  /// Writes all of it to `client`, no faster than that takes it.
  func write(to client: PulledStream) async throws(ClassicError) {
    for part in parts {
      try await part.forEach { (chunk) throws(ClassicError) in try await client.write(chunk) }
    }
  }
}

extension FileHasher {
  /// This, with the bytes of `chunk` behind those it has seen.
  func updated(with chunk: Chunk) -> FileHasher {
    var copy = self
    chunk.withUnsafeBytes { copy.update($0) }
    return copy
  }
}
