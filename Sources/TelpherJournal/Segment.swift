/// A segment: a file with a header and records. Its name is its number in 16 hexadecimal digits;
/// the first is 0, and the writer removes whole segments, the lowest number first.
///
///      0           8        16        24        32
///     +-----------+--------+---------+---------+----------+
///     | "TJSEGM1" | number | stdout  | stderr  | checksum |
///     | and NUL   |        |         |         | of 0..<32|
///     +-----------+--------+---------+---------+----------+
///
/// `stdout` and `stderr` are the bytes of each output before the segment.
enum Segment {
  static let headerSize = 40
  private static let magic: UInt64 = 0x0031_4D47_4553_4A54

  static func name(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// The number of the segment with this name; nil if it is not a segment.
  static func number(_ name: String) -> UInt64? {
    guard name.utf8.count == 16, let number = UInt64(name, radix: 16), self.name(number) == name
    else { return nil }
    return number
  }

  static func encode(
    number: UInt64, offsets: JournalOffsets, into bytes: UnsafeMutableRawBufferPointer
  ) {
    Layout.store(magic, bytes, at: 0)
    Layout.store(number, bytes, at: 8)
    Layout.store(offsets.output, bytes, at: 16)
    Layout.store(offsets.error, bytes, at: 24)
    let covered = UnsafeRawBufferPointer(rebasing: bytes[..<32])
    Layout.store(Layout.checksum(covered), bytes, at: 32)
  }

  /// Reads the header of segment `number`; nil if it is not what `encode` writes.
  static func offsets(_ bytes: UnsafeRawBufferPointer, of number: UInt64) -> JournalOffsets? {
    guard Layout.load(UInt64.self, bytes, at: 0) == magic,
      Layout.load(UInt64.self, bytes, at: 8) == number,
      Layout.load(UInt64.self, bytes, at: 32)
        == Layout.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<32]))
    else { return nil }
    let offsets = JournalOffsets(
      output: Layout.load(UInt64.self, bytes, at: 16),
      error: Layout.load(UInt64.self, bytes, at: 24))
    return max(offsets.output, offsets.error) < 1 << 63 ? offsets : nil
  }
}
