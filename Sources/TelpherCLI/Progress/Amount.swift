internal import TelpherClient

/// Formats numbers for people.
enum Amount {
  private static let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]

  /// A number of bytes with its unit, in powers of 1000: `999 B`, `1.0 kB`, `12.3 MB`, `123 GB`.
  static func bytes(_ count: Int64) -> String {
    var value = Double(count.magnitude)
    var unit = 0
    // A value that would be rounded to 1000 is shown as 1.0 of the next unit.
    while value >= 999.5, unit < units.count - 1 {
      value /= 1_000
      unit += 1
    }
    guard unit > 0 else { return "\(count) B" }
    let tenths = Int((value * 10).rounded())
    let text = tenths < 1_000 ? "\(tenths / 10).\(tenths % 10)" : "\(Int(value.rounded()))"
    return "\(count < 0 ? "-" : "")\(text) \(units[unit])"
  }

  /// A rate in bytes per second, such as `1.0 kB/s`; `-` if it is not finite.
  static func rate(_ bytesPerSecond: Double) -> String {
    guard bytesPerSecond.isFinite, bytesPerSecond < 9e18 else { return "-" }
    return bytes(Int64(max(0, bytesPerSecond))) + "/s"
  }

  /// A duration in whole seconds, rounded up: `0:07`, `12:34`, `1:02:03`.
  static func clock(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "-" }
    let whole = Int(max(0, seconds).rounded(.up))
    let (hours, minutes, rest) = (whole / 3_600, whole / 60 % 60, whole % 60)
    return hours > 0
      ? "\(hours):\(twoDigits(minutes)):\(twoDigits(rest))" : "\(minutes):\(twoDigits(rest))"
  }

  /// An elapsed time: `0.12 s`, `9.90 s`, `2:03`.
  static func elapsed(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 60 else { return clock(seconds) }
    let hundredths = Int((max(0, seconds) * 100).rounded())
    return "\(hundredths / 100).\(twoDigits(hundredths % 100)) s"
  }

  /// A number with its noun: `1 file`, `2 files`.
  static func count(_ number: Int, _ thing: String) -> String {
    "\(number) \(thing)\(number == 1 ? "" : "s")"
  }

  /// `7` as `07`.
  static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

/// Measures and fits text by its width on a terminal.
enum Columns {
  /// The width of `text`, which has no control characters, in columns.
  static func count(_ text: String) -> Int { text.unicodeScalars.reduce(0) { $0 + width($1) } }

  /// Shortens `text` to at most `limit` columns. It replaces the middle with `…`, because names
  /// often differ at the beginning and the end.
  static func shortened(_ text: String, to limit: Int) -> String {
    guard count(text) > limit else { return text }
    guard limit > 1 else { return limit == 1 ? "…" : "" }
    let room = limit - 1
    let head = prefix(text.unicodeScalars, room - room / 2)
    let tail = prefix(text.unicodeScalars.reversed(), room / 2)
    var short = String.UnicodeScalarView(head)
    short.append("…")
    short.append(contentsOf: tail.reversed())
    return String(short)
  }

  /// Pads `text` with spaces to `width` columns, after it or, if right-aligned, before it.
  static func padded(_ text: String, to width: Int, isRightAligned: Bool = false) -> String {
    let blanks = String(repeating: " ", count: max(0, width - count(text)))
    return isRightAligned ? blanks + text : text + blanks
  }

  private static func prefix(_ scalars: some Sequence<Unicode.Scalar>, _ room: Int)
    -> [Unicode.Scalar]
  {
    var (taken, used): ([Unicode.Scalar], Int) = ([], 0)
    for scalar in scalars {
      used += width(scalar)
      guard used <= room else { break }
      taken.append(scalar)
    }
    return taken
  }

  /// The width of a character: 0 for combining marks, 2 for wide East Asian characters and emoji,
  /// else 1.
  private static func width(_ scalar: Unicode.Scalar) -> Int {
    guard scalar.value >= 0x300 else { return 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: break
    }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
      0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1FAFF, 0x20000...0x3FFFD:
      return 2
    default: return 1
    }
  }
}

/// The summary at the end of a transfer.
enum SummaryLine {
  /// The line without a line feed: files, bytes, time, rate, and the numbers of skipped, changed
  /// and failed files.
  static func text(_ counts: TreeCounts, seconds: Double) -> String {
    var text = Amount.count(counts.files, "file")
    if counts.links > 0 { text += ", " + Amount.count(counts.links, "link") }
    text += ", \(Amount.bytes(counts.bytes)) in \(Amount.elapsed(seconds))"
    if counts.bytes > 0, seconds > 0 { text += ", \(Amount.rate(Double(counts.bytes) / seconds))" }
    if counts.skipped > 0 { text += "; \(counts.skipped) skipped" }
    if counts.changed > 0 { text += "; \(counts.changed) changed while read" }
    if counts.failed > 0 { text += "; \(counts.failed) failed" }
    return text
  }
}
