internal import Glibc

/// Puts the time before each line of an output: that at which the line's first byte was read from the
/// command.
struct TimestampedLines {
  private var isAtStart = true

  /// Returns `bytes`, which were read at `time` (nanoseconds since 1970), with the time before each
  /// line that begins in them.
  mutating func mark(_ bytes: UnsafeRawBufferPointer, at time: Int64) -> [UInt8] {
    let prefix = Array((Self.text(of: time) + " ").utf8)
    var marked: [UInt8] = []
    marked.reserveCapacity(bytes.count + prefix.count)
    var rest = bytes[...]
    while !rest.isEmpty {
      if isAtStart { marked += prefix }
      let end = rest.firstIndex(of: UInt8(ascii: "\n"))
      marked += rest[..<(end.map { $0 + 1 } ?? rest.endIndex)]
      isAtStart = end != nil
      rest = rest[(end.map { $0 + 1 } ?? rest.endIndex)...]
    }
    return marked
  }

  /// A time in UTC with nanoseconds, as in RFC 3339: `2026-01-31T23:59:59.000000001Z`.
  static func text(of time: Int64) -> String {
    let (quotient, remainder) = time.quotientAndRemainder(dividingBy: 1_000_000_000)
    // A time before 1970.
    var seconds = time_t(remainder < 0 ? quotient - 1 : quotient)
    let nanoseconds = remainder < 0 ? remainder + 1_000_000_000 : remainder
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func digits(_ number: some BinaryInteger, _ count: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    let day =
      "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
    let clock =
      "\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))"
    return "\(day)T\(clock).\(digits(nanoseconds, 9))Z"
  }
}
