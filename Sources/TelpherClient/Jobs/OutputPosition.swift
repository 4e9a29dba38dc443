internal import TelpherWire

/// How far an output of a durable job was passed on, over the connections that it takes.
struct OutputPosition {
  /// The offset of the next byte.
  private(set) var offset: UInt64 = 0
  /// The missing bytes of the output that come later, in order.
  private var gaps: [(start: UInt64, end: UInt64)] = []

  /// A position.
  init(at offset: UInt64 = 0) { self.offset = offset }

  /// Adds missing bytes. Those before the position were missing on an earlier connection too.
  mutating func skip(_ gap: JobMark.Gap) {
    let (end, overflow) = gap.offset.addingReportingOverflow(gap.bytes)
    guard !overflow, end > offset else { return }
    gaps.append((max(gap.offset, offset), end))
    passGaps()
  }

  /// Steps over `count` bytes that were passed on.
  mutating func advance(by count: Int) {
    var rest = UInt64(count)
    while rest > 0 {
      let step = min(rest, gaps.first.map { $0.start - offset } ?? rest)
      offset += step
      rest -= step
      passGaps()
    }
  }

  /// Forgets gaps that were announced and not reached: the next connection announces them again.
  mutating func disconnect() { gaps = [] }

  private mutating func passGaps() {
    while let gap = gaps.first, gap.start <= offset {
      offset = max(offset, gap.end)
      gaps.removeFirst()
    }
  }
}
