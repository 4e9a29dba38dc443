internal import CTelpherSys
internal import Glibc
public import TelpherTransport

extension Launcher {
  /// Makes this process the one that its descendants are handed to when their parents end, instead
  /// of init (PR_SET_CHILD_SUBREAPER, prctl(2)), so that a walk still finds them below it. A process
  /// that does this calls `reapOrphans()` on each SIGCHLD, or now and then.
  ///
  /// - Throws: `TransportError` where the kernel refuses it.
  public static func becomeSubreaper() throws(TransportError) {
    let result = telpher_become_subreaper()
    guard result == 0 else { throw TransportError("become a subreaper", errno: -result) }
  }

  /// Waits for children that have ended and are nobody's: those this process was handed as a
  /// subreaper. The status of a `LaunchedProcess` is never taken. That of a child started by other
  /// means would be: a process that has such children does not call this.
  ///
  /// It leaves all for the next call where a launch is under way on another thread, since it can't
  /// tell that launch's child from an orphan.
  public func reapOrphans() {
    // Costs one system call where there is nothing to do.
    guard telpher_any_zombie() != 0 else { return }
    let own = getpid()
    let ended = ProcessTable().entries.filter { $0.parent == own && $0.isZombie }.map(\.pid)
    state.withLock { state in
      guard state.launching == 0 else { return }
      for pid in ended where !state.live.contains(pid) {
        var exit = telpher_exit()
        _ = telpher_wait(pid, 0, &exit)
      }
    }
  }

  /// The child `pid` was waited for.
  func didReap(_ pid: Int32) {
    state.withLock { state in
      state.live.remove(pid)
      state.abandoned.remove(pid)
    }
  }

  /// Nobody will wait for the child `pid` any more, which still runs: we do, when it has ended.
  func abandon(_ pid: Int32) {
    state.withLock { _ = $0.abandoned.insert(pid) }
  }

  /// Waits for those abandoned children that have ended by now.
  func waitForAbandoned() {
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
}
