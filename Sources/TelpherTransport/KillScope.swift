/// How far the end of a command's whole tree reaches.
public enum KillScope: String, Sendable {
  /// Everything: the tree is a control group, ended by the kernel (cgroup.kill, cgroups(7)).
  case cgroup
  /// The process group and session, all descendants, and all that carry the job's mark in their
  /// environment. A process that cleared its environment and left by a double fork escapes.
  case descendants
  /// The process group only.
  case group
}
