internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

/// Decodes the records of channel 5 (docs/PROTOCOL.md, "Trees").
struct RecordReader {
  private var rest: [UInt8] = []

  /// Whether the bytes so far end with a complete record.
  var isAtBoundary: Bool { rest.isEmpty }

  /// Returns the records that end in `chunk`, and keeps an incomplete one for the next call.
  ///
  /// - Throws: `FileError` (`protocolError`).
  mutating func read(_ chunk: Chunk) throws(FileError) -> [TreeRecord] {
    let end = chunk.withUnsafeBytes { bytes in
      bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    }
    guard end > 0 else {
      rest.append(contentsOf: chunk)
      try checkLength()
      return []
    }
    rest.append(contentsOf: chunk.slice(0..<end))
    let lines = rest
    rest = [UInt8](chunk.slice(end..<chunk.count))
    try checkLength()
    do throws(WireError) {
      return try TreeRecord.decode(lines: lines)
    } catch {
      throw FileError(.protocolError, error.message)
    }
  }

  private func checkLength() throws(FileError) {
    guard rest.count <= TreeRecord.maxLength else {
      throw FileError(
        .protocolError, "a record of channel 5 is longer than \(TreeRecord.maxLength) bytes")
    }
  }
}
