internal import Glibc

/// An open descriptor, closed with its owner.
struct Descriptor: ~Copyable, Sendable {
  let number: Int32

  /// Takes a descriptor over.
  init(owning number: Int32) { self.number = number }

  deinit { close(number) }
}

extension [UInt8] {
  /// Calls `body` with these bytes and the NUL that C wants behind them.
  func withCPath<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    withUnsafeTemporaryAllocation(byteCount: count + 1, alignment: 1) { buffer in
      buffer.copyBytes(from: self)
      buffer[count] = 0
      return body(UnsafePointer(buffer.baseAddress!.assumingMemoryBound(to: CChar.self)))
    }
  }
}
