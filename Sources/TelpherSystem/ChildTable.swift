internal import CTelpherSys

/// The children of this process that this process waits for one by one. A child that has ended and is
/// not among them is an orphan, handed to this process as a subreaper or as init. From any thread.
package final class ChildTable: Sendable {
  /// A launch that is under way.
  package struct Launch: Sendable {
    fileprivate let number: UInt64
  }

  private struct State {
    /// Children that were not waited for yet.
    var live: Set<Int32> = []
    /// The launches that are under way, whose children are not in `live` yet.
    var launching: Set<UInt64> = []
    /// The number of the next launch.
    var nextLaunch: UInt64 = 0
    /// Children that nobody keeps any more, to be waited for by this table.
    var abandoned: Set<Int32> = []
    /// Zombies that may be orphans, or children of launches that were under way when they were first
    /// seen. All those launches have lower numbers than the one that is kept here.
    var suspects: [Int32: UInt64] = [:]
  }

  private let state = Lock(State())

  /// An empty table.
  package init() {}

  /// A child is about to be started. `didLaunch` follows.
  package func willLaunch() -> Launch {
    state.withLock { state in
      defer { state.nextLaunch += 1 }
      state.launching.insert(state.nextLaunch)
      return Launch(number: state.nextLaunch)
    }
  }

  /// `launch` started the child `pid`, or none (nil).
  package func didLaunch(_ launch: Launch, _ pid: Int32?) {
    state.withLock { state in
      state.launching.remove(launch.number)
      if let pid { state.live.insert(pid) }
    }
  }

  /// The child `pid` was waited for.
  package func didReap(_ pid: Int32) {
    state.withLock { state in
      state.live.remove(pid)
      state.abandoned.remove(pid)
    }
  }

  /// Has this table wait for the child `pid`, which still runs and which nobody else will wait for.
  package func abandon(_ pid: Int32) {
    state.withLock { _ = $0.abandoned.insert(pid) }
  }

  /// Waits for those abandoned children that have ended by now.
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

  /// Waits for the orphans that have ended.
  ///
  /// While launches are under way a zombie may be the child of one of them. It is an orphan once all
  /// launches have ended that were under way when it was first seen, and none of them named it. So
  /// orphans are waited for even if there is always some launch under way.
  ///
  /// - Returns: whether a zombie is left that may be an orphan: then it is to be called again soon.
  package func reapOrphans() -> Bool {
    // This costs one system call if there is no zombie.
    guard telpher_any_zombie() != 0 else { return false }
    // The list is short and cheap, and may miss a child that comes or goes at this moment.
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
