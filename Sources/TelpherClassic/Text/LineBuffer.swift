/// Lines out of bytes that come in pieces.
struct LineBuffer {
  private var bytes: [UInt8] = []

  /// How many bytes were added and not taken.
  var count: Int { bytes.count }

  /// Adds bytes behind those there are.
  mutating func append(_ more: [UInt8]) {
    bytes += more
  }

  /// The next whole line, without its end (LF, or CR and LF).
  mutating func next() -> [UInt8]? {
    guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    var line = bytes[..<end]
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    defer { bytes.removeFirst(end + 1) }
    return Array(line)
  }

  /// What is left when nothing more comes: a line without an end, or nil.
  mutating func rest() -> [UInt8]? {
    defer { bytes = [] }
    return bytes.isEmpty ? nil : bytes
  }
}
