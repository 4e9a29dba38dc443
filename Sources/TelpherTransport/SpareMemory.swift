/// Released read memory, kept for later reads: new memory would cost a page fault per 4 KiB, which
/// is several times the cost of filling it. The memory released last is reused first, since it may
/// still be in a processor's cache. Any thread may use it.
enum SpareMemory {
  /// The most bytes that are kept for each size of a read.
  static let maxKept = 8 << 20

  private static let large = Monitor<[UnsafeMutableRawPointer]>([])
  private static let medium = Monitor<[UnsafeMutableRawPointer]>([])
  private static let small = Monitor<[UnsafeMutableRawPointer]>([])

  /// Returns uninitialized memory of `capacity` bytes.
  static func take(_ capacity: Int) -> UnsafeMutableRawPointer {
    if let spare = stack(of: capacity)?.withLock({ $0.popLast() }) { return spare }
    return .allocate(byteCount: max(capacity, 1), alignment: 16)
  }

  /// Releases memory of `capacity` bytes that `take` returned.
  static func give(_ memory: UnsafeMutableRawPointer, _ capacity: Int) {
    let isKept = stack(of: capacity)?.withLock { stack in
      guard (stack.count + 1) * capacity <= maxKept else { return false }
      stack.append(memory)
      return true
    }
    if isKept != true { memory.deallocate() }
  }

  private static func stack(of capacity: Int) -> Monitor<[UnsafeMutableRawPointer]>? {
    switch capacity {
    case ReadBuffer.largeRead: large
    case ReadBuffer.mediumRead: medium
    case ReadBuffer.smallRead: small
    default: nil
    }
  }
}
