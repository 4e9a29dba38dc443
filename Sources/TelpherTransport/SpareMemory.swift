/// Memory of reads that nobody uses any more and the next read takes: fresh memory would cost a page
/// fault for each 4 KiB, which is several times what filling it costs. What was let go last is
/// taken first, since it may still lie in a processor's cache. From any thread.
enum SpareMemory {
  /// Bytes that are kept of each size of a read, at most.
  static let maxKept = 8 << 20

  private static let large = Monitor<[UnsafeMutableRawPointer]>([])
  private static let medium = Monitor<[UnsafeMutableRawPointer]>([])
  private static let small = Monitor<[UnsafeMutableRawPointer]>([])

  /// Memory of `capacity` bytes, not initialized.
  static func take(_ capacity: Int) -> UnsafeMutableRawPointer {
    if let spare = stack(of: capacity)?.withLock({ $0.popLast() }) { return spare }
    return .allocate(byteCount: max(capacity, 1), alignment: 16)
  }

  /// Lets go of the `capacity` bytes that `take` gave.
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
