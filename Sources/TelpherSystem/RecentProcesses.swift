internal import Glibc

/// The last walk through /proc, for all who need one at the same moment: where 200 commands end at
/// once, a walk for each would keep the loop from everything else for seconds. From any thread.
final class RecentProcesses: Sendable {
  /// Those of this machine.
  static let shared = RecentProcesses()

  /// How old a walk may be to serve once more, in nanoseconds: about what a walk takes. What has
  /// changed since could as well have changed behind the walk's back.
  static let lifetime: UInt64 = 10_000_000

  private let last: Lock<(table: ProcessTable, madeAt: UInt64)?> = Lock(nil)
  private let walk: @Sendable () -> ProcessTable
  private let now: @Sendable () -> UInt64

  /// Walks are made by `walk`; `now` is a steady clock, in nanoseconds.
  init(
    walk: @escaping @Sendable () -> ProcessTable = { ProcessTable() },
    now: @escaping @Sendable () -> UInt64 = steadyNow
  ) {
    self.walk = walk
    self.now = now
  }

  /// The last walk, where it isn't too old and `serves`, or else a new one.
  func table(where serves: (ProcessTable) -> Bool) -> ProcessTable {
    // Others wait while one walks, and then have the same.
    last.withLock { last in
      if let (table, madeAt) = last, now() - madeAt < Self.lifetime, serves(table) { return table }
      let table = walk()
      last = (table, now())
      return table
    }
  }
}

/// Nanoseconds of a clock that nobody sets: clock_gettime(2).
private func steadyNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
