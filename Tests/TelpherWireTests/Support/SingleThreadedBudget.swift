import TelpherWire

/// A budget for tests, which use it from one thread at a time.
final class SingleThreadedBudget: WindowBudget, @unchecked Sendable {
  private var state: WindowBudgetState

  init(total: UInt64) { state = WindowBudgetState(total: total) }

  var total: UInt64 { state.total }
  var used: UInt64 { state.used }

  func take(_ wanted: UInt64, holding held: UInt64) -> UInt64 {
    state.take(wanted, holding: held)
  }

  func giveBack(_ count: UInt64) { state.giveBack(count) }
}
