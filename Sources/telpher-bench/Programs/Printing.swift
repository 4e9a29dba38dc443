internal import Glibc

/// Prints a line at once, though the output may be a pipe.
func printLine(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
  let bytes = Array("\(text)\n".utf8)
  var printed = 0
  while printed < bytes.count {
    let count = bytes.withUnsafeBytes {
      write(descriptor, $0.baseAddress! + printed, $0.count - printed)
    }
    // Whoever read it may be gone: that is no reason to end.
    guard count > 0 else { return }
    printed += count
  }
}
