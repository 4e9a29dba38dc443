internal import Glibc

/// Prints a line immediately, without buffering.
func printLine(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
  let bytes = Array("\(text)\n".utf8)
  var printed = 0
  while printed < bytes.count {
    let count = bytes.withUnsafeBytes {
      write(descriptor, $0.baseAddress! + printed, $0.count - printed)
    }
    // The reader may have ended, which is not an error here.
    guard count > 0 else { return }
    printed += count
  }
}
