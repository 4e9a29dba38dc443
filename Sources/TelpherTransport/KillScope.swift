/// How far the end of a command's whole tree reaches.
public enum KillScope: String, Sendable {
  /// Everything: the tree is a control group, ended by the kernel (cgroup.kill, cgroups(7)).
  case cgroup
  /// The process group and session, all descendants, and all that carry the job's mark in their
  /// environment or its tag among their limits (RLIMIT_LOCKS), which they inherit. A process escapes
  /// only if it sets that limit and clears its environment, and its parents have ended before a walk
  /// found it.
  case descendants
  /// The process group only.
  case group
}
