internal import Glibc

/// The parts of an array of bytes between separators, without empty ones. It does what
/// `split(separator:)` does, with memchr(3) instead of a closure for each byte: a stranger may send
/// paths of 4 KiB by the thousand.
package struct ByteFields: Sequence, IteratorProtocol {
  private let bytes: [UInt8]
  private let separator: UInt8
  private var start = 0

  /// The fields of `bytes`.
  package init(_ bytes: [UInt8], separator: UInt8) {
    self.bytes = bytes
    self.separator = separator
  }

  package mutating func next() -> ArraySlice<UInt8>? {
    while start < bytes.count {
      let field = start..<end(of: start)
      start = field.upperBound + 1
      if !field.isEmpty { return bytes[field] }
    }
    return nil
  }

  /// The position of the first separator at or after `start`, or the end of the bytes.
  private func end(of start: Int) -> Int {
    bytes.withUnsafeBytes { all in
      let rest = UnsafeRawBufferPointer(rebasing: all[start...])
      guard let base = rest.baseAddress, let found = memchr(base, Int32(separator), rest.count)
      else { return bytes.count }
      return start + (UnsafeRawPointer(found) - base)
    }
  }
}
