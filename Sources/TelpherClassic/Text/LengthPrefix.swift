/// The 4 bytes that announce a length in bytes: little-endian, signed (Python's struct 'i').
enum LengthPrefix {
  /// The number of bytes of the prefix.
  static let size = 4

  /// The prefix for `count`.
  ///
  /// - Throws: `ClassicError` (`limit`) if `count` is negative or needs more than 31 bits.
  static func encode(_ count: Int64) throws(ClassicError) -> [UInt8] {
    guard let count = Int32(exactly: count), count >= 0 else {
      throw ClassicError(
        .limit, "a length of 4 bytes announces 0 to \(Int32.max) bytes, not \(count)")
    }
    return withUnsafeBytes(of: count.littleEndian) { Array($0) }
  }

  /// The length that `bytes`, exactly four, announce.
  ///
  /// - Throws: `ClassicError` (`violation`) if it is negative.
  static func decode(_ bytes: [UInt8]) throws(ClassicError) -> Int {
    precondition(bytes.count == size, "a length has 4 bytes")
    let count = bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    guard let count = Int32(exactly: Int64(Int32(bitPattern: count))), count >= 0 else {
      throw ClassicError(
        .violation, "the peer announced a length of \(Int32(bitPattern: count)) bytes")
    }
    return Int(count)
  }

  /// Reads a prefix. Nil if the peer ended its side first.
  static func read(from stream: PulledStream) async throws(ClassicError) -> Int? {
    guard let bytes = try await stream.read(exactly: size, of: "a length") else { return nil }
    return try decode(bytes)
  }
}
