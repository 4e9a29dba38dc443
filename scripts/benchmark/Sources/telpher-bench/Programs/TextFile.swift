internal import Glibc
internal import TelpherTransport

/// Returns the text of the file `path`; nil if it cannot be read.
func readText(_ path: String) -> String? {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return nil }
  defer { close(file) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = read(file, &buffer, buffer.count)
    guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
    bytes += buffer[..<count]
  }
}

/// Creates or replaces the file `path` with `text`.
///
/// - Throws: `Failure` if it cannot be written.
func writeText(_ text: String, to path: String) throws(Failure) {
  let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
  guard file >= 0 else {
    throw Failure("cannot write \(path): \(describe(errno: errno))")
  }
  defer { close(file) }
  let bytes = Array(text.utf8)
  var written = 0
  while written < bytes.count {
    let count = bytes.withUnsafeBytes { write(file, $0.baseAddress! + written, $0.count - written) }
    guard count > 0 else { throw Failure("cannot write \(path)") }
    written += count
  }
}
