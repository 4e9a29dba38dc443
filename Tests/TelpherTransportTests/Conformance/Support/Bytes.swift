#if canImport(Glibc)
  import Glibc
#endif

/// Random numbers that are the same in each run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}

/// Bytes without repeated sections.
func testBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  // An empty array made as below would write to the storage that all empty arrays share, which the
  // thread sanitizer reports.
  guard count > 0 else { return [] }
  var generator = SeededGenerator(seed: seed)
  return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
    let raw = UnsafeMutableRawBufferPointer(buffer)
    for offset in stride(from: 0, to: count - count % 8, by: 8) {
      raw.storeBytes(of: generator.next(), toByteOffset: offset, as: UInt64.self)
    }
    for offset in (count - count % 8)..<count { raw[offset] = UInt8(truncatingIfNeeded: offset) }
    initialized = count
  }
}

/// Whether two arrays are equal. Unlike `==` it is fast without optimization and gives no failure
/// message of megabytes.
func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  left.count == right.count
    && left.withUnsafeBytes { left in
      right.withUnsafeBytes { right in
        left.count == 0 || memcmp(left.baseAddress!, right.baseAddress!, left.count) == 0
      }
    }
}
