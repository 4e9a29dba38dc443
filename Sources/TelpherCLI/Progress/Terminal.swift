internal import TelpherText
internal import Glibc
internal import TelpherWire

/// The terminal at standard error.
struct Terminal {
  /// The terminal at standard error; nil if there is none, or if it can't redraw a line ($TERM is
  /// `dumb`).
  static func ofStandardError(_ environment: [String: String]) -> Terminal? {
    guard isatty(STDERR_FILENO) == 1, environment["TERM"] != "dumb" else { return nil }
    return Terminal()
  }

  /// The current width in columns, which changes if the window is resized; 80 if unknown.
  var width: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Replaces the current line with `text`, which must fit on it. An empty text clears the line.
  func replaceLine(_ text: String) {
    try? Descriptor.error.write("\r\(ShownText.escaped(text))\u{1B}[K")
  }
}
