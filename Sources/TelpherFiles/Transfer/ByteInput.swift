internal import TelpherTransport
internal import TelpherWire

/// The bytes of channel 4, taken in the portions that records tell of.
struct ByteInput {
  private let port: TransferPort
  private var rest: Chunk?

  init(port: TransferPort) { self.port = port }

  /// Makes sure that the stream is not over.
  ///
  /// - Throws: `FileError`, why it is.
  func checkOpen() throws(FileError) {
    if let end = port.monitor.withLock(\.end) { throw end }
  }

  /// The next bytes, at most `limit` of them and at least one.
  ///
  /// - Throws: `FileError` if none come any more.
  mutating func next(atMost limit: Int64) throws(FileError) -> Chunk {
    if rest == nil { rest = try port.receive(.file) }
    guard var chunk = rest else {
      throw FileError(.protocolError, "fewer bytes came than the records told of")
    }
    rest = nil
    guard Int64(chunk.count) > limit else { return chunk }
    let part = chunk.removePrefix(Int(limit))
    rest = chunk
    return part
  }
}
