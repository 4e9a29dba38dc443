/// What a journal does at its limit. The raw value is its name on the wire and in options.
package enum WhenFull: String, Sendable, CaseIterable {
  /// The oldest output is removed. Readers get the number of removed bytes as a gap.
  case dropOldest = "drop_oldest"
  /// No more output is taken, so that the job waits, until a reader has confirmed the oldest.
  case block

  /// The number in the index.
  var number: UInt64 {
    switch self {
    case .dropOldest: 1
    case .block: 2
    }
  }

  init?(number: UInt64) {
    guard let match = WhenFull.allCases.first(where: { $0.number == number }) else { return nil }
    self = match
  }
}

/// The size of a journal and what it does when it is full.
package struct JournalSettings: Sendable, Equatable {
  /// The most bytes on the disk, headers included: within `JournalLimit.minimumBytes` and
  /// `maximumBytes`.
  package let bytes: UInt64
  /// What happens when they are used.
  package let whenFull: WhenFull

  /// Creates settings. `bytes` beyond a limit become the limit.
  package init(bytes: UInt64 = JournalLimit.defaultBytes, whenFull: WhenFull = .dropOldest) {
    self.bytes = min(max(bytes, JournalLimit.minimumBytes), JournalLimit.maximumBytes)
    self.whenFull = whenFull
  }

  /// The most bytes of one segment.
  var segmentBytes: Int { JournalLimit.segmentBytes(journalBytes: bytes) }
  /// The space that every journal is guaranteed: the segment that is being written and one full
  /// segment.
  var reservedBytes: UInt64 { UInt64(2 * segmentBytes + JournalIndex.size) }
}
