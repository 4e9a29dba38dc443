public import TelpherTransport
public import TelpherWire

/// The client's side of `put` and `get` where the bytes are in memory.
public enum MemoryFile {
  /// Sends `bytes` and their digest.
  ///
  /// - Returns: the digest.
  /// - Throws: `FileError` once the stream is over.
  public static func send(
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
    var word = ControlMessage()
    word.digest = hasher.digest
    port.send(word)
    port.finish(.file)
    return hasher.digest
  }

  /// Receives a file and tells its digest.
  ///
  /// - Throws: `FileError` (`tooLarge`) where it is longer than `limit`.
  public static func receive(
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
