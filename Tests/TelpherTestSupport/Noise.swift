internal import Glibc

/// Returns pseudorandom bytes, the same for the same seed.
package func noise(_ count: Int, seed: Int = 1) -> [UInt8] {
  var state = UInt64(bitPattern: Int64(seed)) &* 0x9E37_79B9_7F4A_7C15 | 1
  return [UInt8](unsafeUninitializedCapacity: count + 8) { buffer, filled in
    for index in stride(from: 0, to: count, by: 8) {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      UnsafeMutableRawPointer(buffer.baseAddress! + index).storeBytes(of: state, as: UInt64.self)
    }
    filled = count
  }
}

/// Whether two arrays are equal: fast without optimization too, and without a message of megabytes.
package func isSame(_ one: [UInt8], _ other: [UInt8]) -> Bool {
  one.count == other.count
    && one.withUnsafeBytes { one in
      other.withUnsafeBytes {
        one.isEmpty || memcmp(one.baseAddress!, $0.baseAddress!, one.count) == 0
      }
    }
}
