internal import Glibc

/// A file descriptor that is closed when its owner goes out of scope.
package struct Descriptor: ~Copyable, Sendable {
  let number: Int32

  /// Takes ownership of an open descriptor.
  init(owning number: Int32) { self.number = number }

  deinit { close(number) }
}

extension [UInt8] {
  /// Calls `body` with these bytes as a C string, with a final NUL.
  func withCPath<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    withUnsafeTemporaryAllocation(byteCount: count + 1, alignment: 1) { buffer in
      buffer.copyBytes(from: self)
      buffer[count] = 0
      return body(UnsafePointer(buffer.baseAddress!.assumingMemoryBound(to: CChar.self)))
    }
  }
}
