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

  /// Waits for children that have ended and that this process did not start: orphans, which a
  /// subreaper and init are handed. The status of a `LaunchedProcess` is never taken. That of a child
  /// started by other means would be: a process that has such children does not call this.
  ///
  /// - Returns: whether it is to be called again soon: a zombie is left that is an orphan or the child
  ///   of a launch that is under way on another thread.
  public func reapOrphans() -> Bool {
    children.reapOrphans()
  }

  /// Whether orphans are handed to this process already, because it is the first of its pid namespace.
  public static var isInit: Bool { getpid() == 1 }
}
