package import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

/// The client's side of `put` and `get` for bytes in memory.
package enum MemoryFile {
  /// Sends `bytes` and their digest. Blocks; for a worker's thread.
  ///
  /// - Returns: the digest.
  /// - Throws: `FileError` if the stream is over.
  package static func send(
    _ bytes: [UInt8], on port: TransferPort, digest algorithm: DigestAlgorithm
  ) throws(FileError) -> String {
    port.finish(.index)
    var hasher = FileHasher(algorithm)
    bytes.withUnsafeBytes { hasher.update($0) }
    var position = 0
    while position < bytes.count {
      let end = min(position + ReadBuffer.largeRead, bytes.count)
      port.enqueue(Chunk(Array(bytes[position..<end])), on: .file)
      try port.waitForRoom()
      position = end
    }
    port.send(.digest(hasher.digest))
    port.finish(.file)
    return hasher.digest
  }

  /// Receives a file. Blocks; for a worker's thread.
  ///
  /// - Parameter limit: the maximum length, in bytes.
  /// - Returns: the bytes and their digest, which the caller compares with the server's.
  /// - Throws: `FileError`: `tooLarge` if the file is longer than `limit`; `canceled` or `lost` if
  ///   the stream ends.
  package static func receive(
    from port: TransferPort, digest algorithm: DigestAlgorithm, limit: Int
  ) throws(FileError) -> (bytes: [UInt8], digest: String) {
    port.finish(.index)
    port.finish(.file)
    var hasher = FileHasher(algorithm)
    var bytes: [UInt8] = []
    while let chunk = try port.receive(.file) {
      guard bytes.count + chunk.count <= limit else {
        throw FileError(.tooLarge, "the file is longer than \(limit) bytes")
      }
      chunk.withUnsafeBytes { hasher.update($0) }
      bytes.append(contentsOf: chunk)
    }
    return (bytes, hasher.digest)
  }
}
