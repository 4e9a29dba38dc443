/// The parts of an array of bytes between separators, without empty ones. It does what
/// `split(separator:)` does, without its call of a closure for each byte: a client may send paths of
/// 4 KiB by the thousand.
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
    bytes.withUnsafeBufferPointer { $0.position(of: separator, from: start) ?? $0.count }
  }
}
