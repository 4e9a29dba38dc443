internal import Glibc

/// The last walk through /proc, for all who need one at the same moment: where 200 commands end at
/// once, a walk for each would keep the loop from everything else for seconds. From any thread.
final class RecentProcesses: Sendable {
  /// Those of this machine.
  static let shared = RecentProcesses()

  /// The last walk, when it was over, and how long it took.
  private struct Walk {
    var table: ProcessTable
    var madeAt: UInt64
    var duration: UInt64
  }

  /// After a walk that was so long, nine times that long passes before the next one that is not needed
  /// at any price: at most a tenth of the time goes into such walks.
  private static let restPerWalk: UInt64 = 9
  /// The longest time between two such walks, in nanoseconds: the end of a command may wait for it.
  static let longestRest: UInt64 = 200_000_000

  private let last: Lock<Walk?> = Lock(nil)
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
    recentTable(youngerThan: age, where: serves) ?? newTable()
  }

  /// The same, but nil instead of a walk so soon after the last one that walks would take more than a
  /// tenth of the time.
  func affordableTable(
    youngerThan age: UInt64, where serves: (ProcessTable) -> Bool
  ) -> ProcessTable? {
    if let table = recentTable(youngerThan: age, where: serves) { return table }
    if let walk = last.withLock({ $0 }),
      now() - walk.madeAt < min(Self.restPerWalk * walk.duration, Self.longestRest)
    {
      return nil
    }
    return newTable()
  }

  private func recentTable(
    youngerThan age: UInt64, where serves: (ProcessTable) -> Bool
  ) -> ProcessTable? {
    guard let walk = last.withLock({ $0 }), now() - walk.madeAt < age, serves(walk.table) else {
      return nil
    }
    return walk.table
  }

  /// A new walk, which serves others too.
  func newTable() -> ProcessTable {
    // Not under the lock: who needs one of their own need not wait for this one.
    let begin = now()
    let table = walk()
    let end = now()
    last.withLock { $0 = Walk(table: table, madeAt: end, duration: end - begin) }
    return table
  }
}

/// Nanoseconds of a clock that nobody sets: clock_gettime(2).
private func steadyNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
