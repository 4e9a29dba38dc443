internal import Glibc

/// The system's text for an error number (errno(3)), such as "No such file or directory". May be
/// called from any thread, unlike strerror(3).
package func describe(errno number: Int32) -> String {
  // glibc's longest text has 50 bytes.
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
    guard let start = buffer.baseAddress else { preconditionFailure("its capacity is not 0") }
    start.initialize(repeating: 0, count: buffer.count)
    // For a number that it does not know, it returns EINVAL and writes "Unknown error".
    _ = strerror_r(number, start, buffer.count)
    return String(cString: start)
  }
}
