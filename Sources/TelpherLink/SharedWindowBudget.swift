internal import TelpherTransport
internal import TelpherWire

/// The memory by which the windows of all connections of a process may grow. Any thread may use it.
package final class SharedWindowBudget: WindowBudget {
  /// The budget of this process.
  ///
  /// 256 MiB, so that one connection can fill a long link, and several share it. It is taken only
  /// while data comes fast from far away, and mostly it is in transit rather than in memory.
  package static let process = SharedWindowBudget(total: 256 << 20)

  private let state: Monitor<WindowBudgetState>

  /// A budget of `total` bytes.
  package init(total: UInt64) {
    state = Monitor(WindowBudgetState(total: total))
  }

  /// The bytes that connections hold.
  package var used: UInt64 { state.withLock { $0.used } }

  /// Reserves up to `wanted` bytes for a connection that holds `held` bytes.
  ///
  /// - Returns: the bytes reserved.
  package func take(_ wanted: UInt64, holding held: UInt64) -> UInt64 {
    state.withLock { $0.take(wanted, holding: held) }
  }

  /// Releases `count` bytes that were reserved.
  package func giveBack(_ count: UInt64) { state.withLock { $0.giveBack(count) } }
}
