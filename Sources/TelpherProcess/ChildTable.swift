internal import CTelpherSys
internal import TelpherTransport

/// The children that this process waits for one by one. Any other child that has ended is an
/// orphan, which the kernel handed to this process because it is a subreaper or init. May be used
/// from any thread.
package final class ChildTable: Sendable {
  /// A launch that is under way.
  package struct Launch: Sendable {
    fileprivate let number: UInt64
  }

  private struct State {
    /// Children that were started and not waited for yet.
    var live: Set<Int32> = []
    /// Launches that are under way. Their children are not in `live` yet.
    var launching: Set<UInt64> = []
    /// The number of the next launch.
    var nextLaunch: UInt64 = 0
    /// Children that only this table still waits for.
    var abandoned: Set<Int32> = []
    /// Zombies that may be orphans, or children of launches that were under way when the zombie was
    /// first seen. Each has the number that the next launch had then; all those launches have lower
    /// numbers.
    var suspects: [Int32: UInt64] = [:]
  }

  private let state = Monitor(State())

  /// An empty table.
  package init() {}

  /// Notes that a launch begins. Call `didLaunch` when it is done.
  package func willLaunch() -> Launch {
    state.withLock { state in
      defer { state.nextLaunch += 1 }
      state.launching.insert(state.nextLaunch)
      return Launch(number: state.nextLaunch)
    }
  }

  /// Notes that `launch` started the child `pid`, or that it failed (nil).
  package func didLaunch(_ launch: Launch, _ pid: Int32?) {
    state.withLock { state in
      state.launching.remove(launch.number)
      if let pid { state.live.insert(pid) }
    }
  }

  /// Notes that the child `pid` was waited for.
  package func didReap(_ pid: Int32) {
    state.withLock { state in
      state.live.remove(pid)
      state.abandoned.remove(pid)
    }
  }

  /// Makes this table wait for the child `pid`, which still runs and which no other code will wait
  /// for.
  package func abandon(_ pid: Int32) {
    state.withLock { _ = $0.abandoned.insert(pid) }
  }

  /// Waits for the abandoned children that have ended. Does not block.
  package func waitForAbandoned() {
    state.withLock { state in
      for pid in state.abandoned {
        var exit = telpher_exit()
        if telpher_wait(pid, 0, &exit) != 0 {
          state.abandoned.remove(pid)
          state.live.remove(pid)
        }
      }
    }
  }

  /// Waits for the orphans that have ended. Does not block.
  ///
  /// While a launch is under way, a zombie may be its child. A zombie is an orphan if all launches
  /// have ended that were under way when it was first seen, and none of them reported it as its
  /// child. So orphans are waited for even if some launch is always under way.
  ///
  /// - Returns: Whether a zombie is left that may be an orphan. If so, call this again soon.
  package func reapOrphans() -> Bool {
    // This costs one system call if there is no zombie.
    guard telpher_any_zombie() != 0 else { return false }
    // Reading the list is cheap. It may miss a child that starts or ends at this moment.
    let children = ProcessTable.ownChildren
    return state.withLock { state in
      var suspects: [Int32: UInt64] = [:]
      for pid in children where !state.live.contains(pid) {
        var exit = telpher_exit()
        guard telpher_wait(pid, 1, &exit) == 1 else { continue }
        let firstSeen = state.suspects[pid] ?? state.nextLaunch
        if state.launching.allSatisfy({ $0 >= firstSeen }) {
          _ = telpher_wait(pid, 0, &exit)
        } else {
          suspects[pid] = firstSeen
        }
      }
      state.suspects = suspects
      return !suspects.isEmpty
    }
  }
}
