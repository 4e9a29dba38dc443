internal import Glibc
internal import TelpherWire

/// The terminal that standard error is, where it is one.
struct Terminal {
  /// Standard error, where a person reads it at a terminal that can go back in its line.
  static func ofStandardError(_ environment: [String: String]) -> Terminal? {
    guard isatty(STDERR_FILENO) == 1, environment["TERM"] != "dumb" else { return nil }
    return Terminal()
  }

  /// Its columns just now: windows are resized.
  var width: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Puts `text`, which fits, in the place of the line that is there; empty clears it.
  func replaceLine(_ text: String) {
    try? Descriptor.error.write("\r\(ShownText.escaped(text))\u{1B}[K")
  }
}
