/// Text that somebody else wrote, as it may be shown in a log, a message or a listing: it can
/// neither move a terminal's cursor, nor begin a new line, nor look like other text than it is.
///
/// This is the one place that decides what is escaped, and how.
public enum ShownText {
  /// `bytes` as text: what is not UTF-8 or must not be shown as it is stands as `\x1b`, by its bytes.
  ///
  /// - Parameter escapingBackslashes: whether a backslash becomes two, so that the text tells exactly
  ///   what the bytes are. Not of a sentence in which paths are escaped already.
  public static func escaped(
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

  /// `text` with what must not be shown as it is escaped. What is safe already stays the same.
  public static func escaped(_ text: String) -> String {
    text.unicodeScalars.allSatisfy(isSafe) ? text : escaped(text.utf8)
  }

  /// Whether a character may be shown as it is. Not control characters (C1 included, which some
  /// terminals obey in UTF-8, too), nor what ends a line, nor what can't be seen but changes what is:
  /// the marks that turn the direction of writing, above all.
  public static func isSafe(_ scalar: Unicode.Scalar) -> Bool {
    if (0x20..<0x7F).contains(scalar.value) { return true }
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: return false
    // The two joiners make letters of several scripts, and pictures.
    case .format: return scalar == "\u{200C}" || scalar == "\u{200D}"
    default: return true
    }
  }

  private static func escape(_ byte: UInt8) -> String {
    "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
}
