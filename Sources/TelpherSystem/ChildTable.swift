internal import CTelpherSys

/// The children of this process that someone will wait for: what ended and is not among them is an
/// orphan. From any thread.
package final class ChildTable: Sendable {
  private struct State {
    /// Children that were not waited for yet.
    var live: Set<Int32> = []
    /// Launches that are under way, whose child is not in `live` yet.
    var launching = 0
    /// Children that nobody keeps any more, to be waited for by us.
    var abandoned: Set<Int32> = []
  }

  private let state = Lock(State())

  /// An empty table.
  package init() {}

  /// A child is about to be started. `didLaunch` follows.
  package func willLaunch() {
    state.withLock { $0.launching += 1 }
  }

  /// The child `pid` was started, or nil: none was.
  package func didLaunch(_ pid: Int32?) {
    state.withLock { state in
      state.launching -= 1
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

  /// Nobody will wait for the child `pid` any more, which still runs: we do, when it has ended.
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

  /// Waits for children that have ended and are not in the table. It leaves all for the next call
  /// where a launch is under way, since it can't tell that launch's child from an orphan.
  package func reapOrphans() {
    // Costs one system call where there is nothing to do.
    guard telpher_any_zombie() != 0 else { return }
    // A list that is short and cheap, and may miss one that comes or goes at the moment.
    let children = ProcessTable.ownChildren
    state.withLock { state in
      guard state.launching == 0 else { return }
      for pid in children where !state.live.contains(pid) {
        var exit = telpher_exit()
        _ = telpher_wait(pid, 0, &exit)
      }
    }
  }
}
