internal import Glibc
internal import TelpherTransport

/// Shares the last walk through /proc among all callers that need one at about the same time. If
/// 200 commands end at once, one walk for each would block the loop for seconds. May be used from
/// any thread.
final class RecentProcesses: Sendable {
  /// The walks over the processes of this machine.
  static let shared = RecentProcesses()

  /// A walk, the time of its end, and its duration, both in nanoseconds.
  private struct Walk {
    var table: ProcessTable
    var madeAt: UInt64
    var duration: UInt64
  }

  /// After a walk, no optional walk is made for this many times its duration. So optional walks
  /// take at most a tenth of the time.
  private static let restPerWalk: UInt64 = 9
  /// The longest pause after a walk in nanoseconds. The end of a command may wait for it.
  static let longestRest: UInt64 = 200_000_000

  private let last: Monitor<Walk?> = Monitor(nil)
  private let walk: @Sendable () -> ProcessTable
  private let now: @Sendable () -> UInt64

  /// Creates an instance that walks with `walk`. `now` is a monotonic clock in nanoseconds.
  init(
    walk: @escaping @Sendable () -> ProcessTable = { ProcessTable() },
    now: @escaping @Sendable () -> UInt64 = steadyNow
  ) {
    self.walk = walk
    self.now = now
  }

  /// Returns the last walk if it is less than `age` nanoseconds old and `serves` accepts it, or
  /// else a new one.
  func table(youngerThan age: UInt64, where serves: (ProcessTable) -> Bool) -> ProcessTable {
    recentTable(youngerThan: age, where: serves) ?? newTable()
  }

  /// The same, but returns nil if a new walk now would make walks take more than a tenth of the
  /// time.
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

  /// Makes a new walk, which other callers may use too.
  func newTable() -> ProcessTable {
    // Made outside the lock, so that callers that need their own walk do not wait for this one.
    let begin = now()
    let table = walk()
    let end = now()
    last.withLock { $0 = Walk(table: table, madeAt: end, duration: end - begin) }
    return table
  }
}

/// A monotonic clock in nanoseconds: CLOCK_MONOTONIC, clock_gettime(2).
private func steadyNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
