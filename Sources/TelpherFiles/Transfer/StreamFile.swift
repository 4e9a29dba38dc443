internal import Glibc
public import TelpherTransport
public import TelpherWire

/// The client's side of `put` and `get` if the bytes come from an open descriptor, or go to one: a pipe, a
/// terminal, or a file of which only the end tells how long it is.
///
/// Reading and writing wait for the other end of a pipe, but look now and then whether the stream is over.
public struct StreamFile: Sendable {
  private let descriptor: Int32
  private let name: String

  /// The descriptor `descriptor`, which stays the caller's and is to be open while this is used. `name` is
  /// what failures call it.
  public init(_ descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  /// Milliseconds between two looks whether the stream is over, while nothing comes or goes.
  private static let patience: Int32 = 200

  /// Sends all bytes to the end, and their digest.
  ///
  /// - Returns: the digest and how many bytes there were.
  /// - Throws: `FileError` if they cannot be read, or the stream is over.
  public func send(
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
    var word = ControlMessage()
    word.digest = hasher.digest
    port.send(word)
    port.finish(.file)
    return (hasher.digest, total)
  }

  /// Writes all bytes that come. They are written as they come, so they are there before the digest of the
  /// whole is known: the caller compares it and tells.
  ///
  /// - Returns: the digest and how many bytes there were.
  /// - Throws: `FileError` if they cannot be written, or the stream is over.
  public func receive(
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

  /// Makes a call that may have to wait, once the descriptor is ready for it.
  private func repeating(
    _ attempt: String, _ events: Int32, _ port: TransferPort, _ call: () -> Int
  ) throws(FileError) -> Int {
    while true {
      var polled = pollfd(fd: descriptor, events: Int16(events), revents: 0)
      let ready = poll(&polled, 1, Self.patience)
      if let end = port.monitor.withLock(\.end) { throw end }
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
