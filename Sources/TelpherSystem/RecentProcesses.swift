internal import Glibc

/// The last walk through /proc, for all who need one at the same moment: where 200 commands end at
/// once, a walk for each would keep the loop from everything else for seconds. From any thread.
final class RecentProcesses: Sendable {
  /// Those of this machine.
  static let shared = RecentProcesses()

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

  /// The last walk, where it is less than `age` nanoseconds old and `serves`, or else a new one.
  func table(youngerThan age: UInt64, where serves: (ProcessTable) -> Bool) -> ProcessTable {
    if let (table, madeAt) = last.withLock({ $0 }), now() - madeAt < age, serves(table) {
      return table
    }
    return newTable()
  }

  /// A new walk, which serves others too.
  func newTable() -> ProcessTable {
    // Not under the lock: who needs one of their own need not wait for this one.
    let table = walk()
    let time = now()
    last.withLock { $0 = (table, time) }
    return table
  }
}

/// Nanoseconds of a clock that nobody sets: clock_gettime(2).
private func steadyNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
