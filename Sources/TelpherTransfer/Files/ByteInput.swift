internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

/// Reads the bytes of channel 4 in the portions that the records of channel 5 announce.
struct ByteInput {
  private let port: TransferPort
  private var rest: Chunk?

  init(port: TransferPort) { self.port = port }

  /// Checks that the stream is not over.
  ///
  /// - Throws: `FileError`, the reason that it is.
  func checkOpen() throws(FileError) { try port.checkOpen() }

  /// Waits for the next bytes and returns at least 1 and at most `limit` of them.
  ///
  /// - Throws: `FileError` if the channel or the stream has ended.
  mutating func next(atMost limit: Int64) throws(FileError) -> Chunk {
    if rest == nil { rest = try port.receive(.file) }
    guard var chunk = rest else {
      throw FileError(.protocolError, "fewer bytes arrived than the records announced")
    }
    rest = nil
    guard Int64(chunk.count) > limit else { return chunk }
    let part = chunk.removePrefix(Int(limit))
    rest = chunk
    return part
  }
}
