/// Splits bytes that arrive in pieces into lines.
struct LineBuffer {
  private var bytes: [UInt8] = []

  /// The number of bytes in the buffer.
  var count: Int { bytes.count }

  /// Adds bytes at the end.
  mutating func append(_ more: [UInt8]) {
    bytes += more
  }

  /// Takes the next complete line, without its end (LF, or CR and LF). Nil if there is none.
  mutating func next() -> [UInt8]? {
    guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    var line = bytes[..<end]
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    defer { bytes.removeFirst(end + 1) }
    return Array(line)
  }

  /// Takes the rest of the buffer after the last byte has arrived: a line without an end, or nil.
  mutating func rest() -> [UInt8]? {
    defer { bytes = [] }
    return bytes.isEmpty ? nil : bytes
  }
}
