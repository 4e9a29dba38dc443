/// The 4 bytes that the tutorials put before what they send: its length in bytes, little-endian,
/// signed (Python's struct 'i').
enum LengthPrefix {
  /// How many bytes they are.
  static let size = 4

  /// The bytes for `count`.
  ///
  /// - Throws: `ClassicError` (`limit`) for a count that 31 bits can't say, instead of another one.
  static func encode(_ count: Int64) throws(ClassicError) -> [UInt8] {
    guard let count = Int32(exactly: count), count >= 0 else {
      throw ClassicError(
        .limit, "\(count) bytes are more than a length of 4 bytes can announce (\(Int32.max))")
    }
    return withUnsafeBytes(of: count.littleEndian) { Array($0) }
  }

  /// The count in `bytes`, of which there are four.
  ///
  /// - Throws: `ClassicError` (`violation`) where it is negative.
  static func decode(_ bytes: [UInt8]) throws(ClassicError) -> Int {
    precondition(bytes.count == size, "a length has 4 bytes")
    let count = bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    guard let count = Int32(exactly: Int64(Int32(bitPattern: count))), count >= 0 else {
      throw ClassicError(
        .violation, "the peer announced a length of \(Int32(bitPattern: count)) bytes")
    }
    return Int(count)
  }

  /// Reads a length; nil where the peer's bytes have ended instead.
  static func read(from stream: PulledStream) async throws(ClassicError) -> Int? {
    guard let bytes = try await stream.read(exactly: size, of: "a length") else { return nil }
    return try decode(bytes)
  }
}
