/// Makes text from others safe to show in a log, a message or a listing: it can't move a terminal's
/// cursor, begin a new line, or look like other text.
///
/// This is the only place that decides what is escaped, and how.
package enum ShownText {
  /// `bytes` as text. Bytes that are not UTF-8 and unsafe characters are written byte by byte as
  /// `\x1b`.
  ///
  /// - Parameter escapingBackslashes: whether a backslash becomes two, so that the text represents
  ///   exactly one sequence of bytes. Pass false for a sentence whose paths are escaped already.
  package static func escaped(
    _ bytes: some Collection<UInt8>, escapingBackslashes: Bool = false
  ) -> String {
    var text = ""
    var parser = Unicode.UTF8.ForwardParser()
    var rest = bytes.makeIterator()
    var position = bytes.startIndex
    while true {
      let count: Int
      switch parser.parseScalar(from: &rest) {
      case .valid(let encoded):
        let scalar = Unicode.UTF8.decode(encoded)
        count = encoded.count
        if scalar == "\\" && escapingBackslashes {
          text += "\\\\"
        } else if isSafe(scalar) {
          text.unicodeScalars.append(scalar)
        } else {
          for byte in encoded { text += escape(byte) }
        }
      case .error(let length):
        count = length
        for byte in bytes[position...].prefix(length) { text += escape(byte) }
      case .emptyInput:
        return text
      }
      position = bytes.index(position, offsetBy: count)
    }
  }

  /// A path or a name for display: `escaped` with the backslashes escaped too, so that two different
  /// paths never look the same.
  package static func path(_ bytes: [UInt8]) -> String {
    escaped(bytes, escapingBackslashes: true)
  }

  /// `text` with unsafe characters escaped. Text that is safe is returned unchanged.
  package static func escaped(_ text: String) -> String {
    text.unicodeScalars.allSatisfy(isSafe) ? text : escaped(text.utf8)
  }

  /// Whether a character is safe to show. Unsafe are control characters (including C1, which some
  /// terminals obey in UTF-8 too), line separators, and invisible characters that change how text
  /// looks, above all those that change the direction of writing.
  package static func isSafe(_ scalar: Unicode.Scalar) -> Bool {
    if (0x20..<0x7F).contains(scalar.value) { return true }
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: return false
    // The two joiners are needed in several scripts and in emoji.
    case .format: return scalar == "\u{200C}" || scalar == "\u{200D}"
    default: return true
    }
  }

  private static func escape(_ byte: UInt8) -> String {
    "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
}
