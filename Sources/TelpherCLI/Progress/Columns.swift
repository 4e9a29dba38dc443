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
