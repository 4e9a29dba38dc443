extension UnsafeBufferPointer<UInt8> {
  /// Returns the position of the first `byte` at or after `start`; nil if there is none. It
  /// compares 16 bytes at once: a client may send paths of 4 KiB by the thousand.
  package func position(of byte: UInt8, from start: Int) -> Int? {
    let wanted = SIMD16(repeating: byte)
    let raw = UnsafeRawBufferPointer(self)
    var position = start
    while position + 16 <= count {
      let block = raw.loadUnaligned(fromByteOffset: position, as: SIMD16<UInt8>.self)
      if any(block .== wanted) { break }
      position += 16
    }
    return self[position...].firstIndex(of: byte)
  }
}
