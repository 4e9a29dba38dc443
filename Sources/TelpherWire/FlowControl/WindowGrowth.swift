/// Memory for windows that grow, shared by all connections of a process. Any thread may use it.
///
/// A connection's initial windows are not counted: the number of connections limits those.
package protocol WindowBudget: AnyObject, Sendable {
  /// Reserves up to `wanted` bytes for a connection that holds `held` bytes.
  ///
  /// - Returns: the bytes reserved; 0 if there is no room.
  func take(_ wanted: UInt64, holding held: UInt64) -> UInt64
  /// Releases `count` bytes that were reserved.
  func giveBack(_ count: UInt64)
}

/// The arithmetic of a `WindowBudget`.
///
/// A connection may hold as much as it leaves free. So one connection gets half of the budget, two
/// get a third each, and so on, and there is always room for a new one. (Switches divide their
/// buffers among ports by this rule, which is known as a dynamic threshold.)
package struct WindowBudgetState: Sendable {
  /// The size of the budget in bytes.
  package let total: UInt64
  /// The reserved bytes.
  package private(set) var used: UInt64 = 0

  /// A budget of `total` bytes.
  package init(total: UInt64) { self.total = total }

  /// See `WindowBudget.take(_:holding:)`.
  package mutating func take(_ wanted: UInt64, holding held: UInt64) -> UInt64 {
    precondition(held <= used, "what a connection holds was taken here")
    let share = (total - used + held) / 2
    guard share > held else { return 0 }
    let granted = min(wanted, share - held)
    used += granted
    return granted
  }

  /// See `WindowBudget.giveBack(_:)`.
  package mutating func giveBack(_ count: UInt64) {
    precondition(count <= used, "only what was taken is given back")
    used -= count
  }
}

/// The bytes by which the windows of one connection may grow, in all.
///
/// A stream may hold up to seven eighths of what the other streams leave, so that a stream that has
/// grown and then stalls does not keep the others small.
struct WindowGrowth: ~Copyable {
  /// The most bytes that the streams may hold together; 0 if windows don't grow.
  let limit: UInt64
  private let budget: (any WindowBudget)?
  /// The bytes that the streams hold.
  private(set) var used: UInt64 = 0
  /// The bytes that are reserved in the budget. More than `used` while the peer has credit that an
  /// ended stream left: a window's limit can't be taken back.
  private(set) var reserved: UInt64 = 0

  init(limit: UInt64, budget: (any WindowBudget)?) {
    self.limit = limit
    self.budget = budget
  }

  deinit { budget?.giveBack(reserved) }

  /// Takes up to `wanted` bytes for a stream that holds `own` bytes.
  ///
  /// - Returns: the bytes taken.
  mutating func take(_ wanted: UInt64, own: UInt64) -> UInt64 {
    precondition(own <= used, "what a stream holds was taken here")
    let free = limit - used + own
    let most = free - free / 8
    guard most > own else { return 0 }
    var granted = min(wanted, most - own)
    let more = used + granted > reserved ? used + granted - reserved : 0
    if more > 0, let budget {
      let got = budget.take(more, holding: reserved)
      granted -= more - got
      reserved += got
    } else {
      reserved += more
    }
    used += granted
    return granted
  }

  /// The most bytes for a stream whose consumer has taken nothing yet: half of (limit / 2 - used).
  /// So such streams hold less than half of the limit together, and none takes all of it.
  var unproven: UInt64 { limit / 2 > used ? (limit / 2 - used) / 2 : 0 }

  /// A stream gives back `count` bytes that it holds. They stay reserved until `settle`.
  mutating func giveBack(_ count: UInt64) {
    precondition(count <= used, "only what was taken is given back")
    used -= count
  }

  /// Releases what is reserved beyond `used` and beyond `outstanding`: the peer's credit, and what
  /// arrived and was not taken, beyond the connection's initial window.
  mutating func settle(outstanding: UInt64) {
    let needed = max(used, outstanding)
    guard reserved > needed else { return }
    budget?.giveBack(reserved - needed)
    reserved = needed
  }

  /// Releases everything, because the connection has ended.
  mutating func end() {
    used = 0
    settle(outstanding: 0)
  }
}
