internal import CTelpherSys
internal import Glibc
package import TelpherTransport

extension Launcher {
  /// Makes this process the subreaper of its descendants (PR_SET_CHILD_SUBREAPER, prctl(2)). When
  /// their parents end, the kernel hands them to this process instead of init, so that a walk
  /// through /proc still finds them below it. A process that does this calls `reapOrphans()` on
  /// each SIGCHLD, or from time to time.
  ///
  /// - Throws: `TransportError` if the kernel refuses.
  package static func becomeSubreaper() throws(TransportError) {
    let result = telpher_become_subreaper()
    guard result == 0 else { throw TransportError("become a subreaper", errno: -result) }
  }

  /// Waits for ended children that this process did not start: the orphans that the kernel hands to
  /// a subreaper or init. Does not block.
  ///
  /// It never takes the status of a `LaunchedProcess`. It does take the status of children that
  /// were started by other means: a process with such children must not call this.
  ///
  /// - Returns: Whether to call this again soon: a zombie is left that is an orphan, or the child
  ///   of a launch that is under way on another thread.
  public func reapOrphans() -> Bool {
    children.reapOrphans()
  }

  /// Whether this process is the first of its pid namespace, which gets all orphans without
  /// `becomeSubreaper()`.
  package static var isInit: Bool { getpid() == 1 }
}
