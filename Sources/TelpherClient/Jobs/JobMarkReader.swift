internal import TelpherTransport
internal import TelpherWire

/// Finds the marks about a durable job's output in what arrives on channel 5.
struct JobMarkReader {
  private var rest: [UInt8] = []

  /// Adds bytes.
  ///
  /// - Returns: the marks that are complete now.
  /// - Throws: `WireError` if a line is too long or no mark.
  mutating func read(_ chunk: Chunk) throws(WireError) -> [JobMark] {
    rest.append(contentsOf: chunk)
    guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else {
      guard rest.count < JobMark.maxLength else {
        throw WireError(.protocolError, "a mark of a job's output is too long")
      }
      return []
    }
    let lines = Array(rest[...end])
    rest.removeFirst(end + 1)
    return try JobMark.decode(lines: lines)
  }
}
