internal import CXXHash

/// Little-endian numbers in the files of a journal.
enum Layout {
  static func load<Number: FixedWidthInteger>(
    _ type: Number.Type, _ bytes: UnsafeRawBufferPointer, at offset: Int
  ) -> Number {
    Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
  }

  static func store(
    _ number: some FixedWidthInteger, _ bytes: UnsafeMutableRawBufferPointer, at offset: Int
  ) {
    withUnsafeBytes(of: number.littleEndian) {
      UnsafeMutableRawBufferPointer(rebasing: bytes[offset...]).copyMemory(from: $0)
    }
  }

  /// The 64-bit XXH3 checksum: it detects damage by accident, not by intent.
  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    XXH3_64bits(bytes.baseAddress, bytes.count)
  }
}
