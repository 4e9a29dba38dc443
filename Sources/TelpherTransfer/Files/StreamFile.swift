internal import Glibc
package import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

/// The client's side of `put` and `get` for an open descriptor: a pipe, a terminal, or a file of
/// unknown length.
///
/// While reading and writing wait for the other end of a pipe, they check five times a second
/// whether the stream is over.
package struct StreamFile: Sendable {
  private let descriptor: Int32
  private let name: String

  /// Uses `descriptor`. The caller still owns it, and must keep it open while this is in use.
  /// `name` is its name in error messages.
  package init(_ descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  /// The time between two checks whether the stream is over, in milliseconds.
  private static let checkInterval: Int32 = 200

  /// Sends all bytes up to the end of file, and their digest. Blocks; for a worker's thread.
  ///
  /// - Returns: the digest and the number of bytes.
  /// - Throws: `FileError` if reading fails, or the stream is over.
  package func send(
    on port: TransferPort, digest algorithm: DigestAlgorithm
  ) throws(FileError) -> (digest: String, count: Int64) {
    port.finish(.index)
    var hasher = FileHasher(algorithm)
    var total: Int64 = 0
    while true {
      let buffer = ChunkStorage(capacity: ReadBuffer.readSize)
      let count = try repeating("read", POLLIN, port) {
        Glibc.read(descriptor, buffer.memory, buffer.capacity)
      }
      guard count > 0 else { break }
      hasher.update(UnsafeRawBufferPointer(start: buffer.memory, count: count))
      port.enqueue(Chunk(storage: buffer, range: 0..<count), on: .file)
      try port.waitForRoom()
      total += Int64(count)
    }
    port.send(.digest(hasher.digest))
    port.finish(.file)
    return (hasher.digest, total)
  }

  /// Receives all bytes and writes them as they arrive, before the digest is verified: the caller
  /// compares the digest with the server's. Blocks; for a worker's thread.
  ///
  /// - Returns: the digest and the number of bytes.
  /// - Throws: `FileError` if writing fails, or the stream is over.
  package func receive(
    from port: TransferPort, digest algorithm: DigestAlgorithm
  ) throws(FileError) -> (digest: String, count: Int64) {
    port.finish(.index)
    port.finish(.file)
    var hasher = FileHasher(algorithm)
    var total: Int64 = 0
    while var chunk = try port.receive(.file) {
      chunk.withUnsafeBytes { hasher.update($0) }
      total += Int64(chunk.count)
      while !chunk.isEmpty {
        let count = try repeating("write", POLLOUT, port) {
          chunk.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        }
        _ = chunk.removePrefix(count)
      }
    }
    return (hasher.digest, total)
  }

  /// Waits until the descriptor is ready for `events` (poll(2)), and then makes the call.
  private func repeating(
    _ attempt: String, _ events: Int32, _ port: TransferPort, _ call: () -> Int
  ) throws(FileError) -> Int {
    while true {
      var polled = pollfd(fd: descriptor, events: Int16(events), revents: 0)
      let ready = poll(&polled, 1, Self.checkInterval)
      try port.checkOpen()
      guard ready > 0 else {
        if ready == 0 || errno == EINTR { continue }
        throw FileError(attempt, named: name, errno: errno)
      }
      let count = call()
      if count >= 0 { return count }
      guard errno == EINTR || errno == EAGAIN else {
        throw FileError(attempt, named: name, errno: errno)
      }
    }
  }
}
