/// Which processes a loop can find when it ends a command's whole tree.
public enum KillScope: String, Sendable {
  /// All processes: the tree is a control group, and the kernel ends it (cgroup.kill, cgroups(7)).
  case cgroup
  /// The process group and session, all descendants, and all processes with the job's mark in their
  /// environment or its tag in their RLIMIT_LOCKS limit; processes inherit both. A process escapes
  /// only if it changes that limit, clears its environment, and its parents end before a scan finds
  /// it.
  case descendants
  /// The process group only.
  case group
}
