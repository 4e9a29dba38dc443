/// Divides an output into whole lines.
package struct LineSplitter: Sendable {
  /// The longest line in bytes that is kept together. A longer one is divided into pieces of this
  /// length, each of which is a line: otherwise an output without line feeds would be kept whole.
  package static let maxLine = 64 << 10

  private var rest: [UInt8] = []

  /// A splitter without bytes.
  package init() {}

  /// Adds bytes.
  ///
  /// - Parameter line: called with each line that is complete, without its line feed.
  package mutating func add(
    _ bytes: UnsafeRawBufferPointer, _ line: (UnsafeRawBufferPointer) -> Void
  ) {
    var bytes = bytes
    while !bytes.isEmpty {
      let end = bytes.firstIndex(of: UInt8(ascii: "\n"))
      let piece = UnsafeRawBufferPointer(rebasing: bytes[..<(end ?? bytes.count)])
      let room = Self.maxLine - rest.count
      if piece.count > room {
        rest += piece[..<room]
        flush(line)
        bytes = UnsafeRawBufferPointer(rebasing: bytes[room...])
        continue
      }
      bytes = UnsafeRawBufferPointer(rebasing: bytes[(end.map { $0 + 1 } ?? bytes.count)...])
      if end != nil, rest.isEmpty {
        line(piece)
      } else {
        rest += piece
        if end != nil { flush(line) }
      }
    }
  }

  /// Ends the output: what follows the last line feed is a line too.
  package mutating func finish(_ line: (UnsafeRawBufferPointer) -> Void) {
    if !rest.isEmpty { flush(line) }
  }

  private mutating func flush(_ line: (UnsafeRawBufferPointer) -> Void) {
    rest.withUnsafeBytes(line)
    rest.removeAll(keepingCapacity: true)
  }
}
