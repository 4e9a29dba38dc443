internal import CTelpherSys
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
    children.reapOrphans()
  }
}
