internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The folder `telpher-PID-RANDOM` of one server in a hierarchy of control groups, which holds the
/// groups of its commands.
enum ServerGroup {
  /// Creates and locks the server's group.
  ///
  /// A running server holds a lock (flock(2)) on its folder. The process id in the name does not
  /// show whether the server still runs: ids are reused, and differ between pid namespaces.
  static func make(
    in parent: Int32
  ) throws(ErrorNumber) -> (name: String, folder: Int32) {
    // A server that starts at the same time may remove our folder as stale before we lock it.
    for _ in 0..<8 {
      let name = "telpher-\(getpid())-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
      guard mkdirat(parent, name, 0o755) == 0 else { throw ErrorNumber(errno) }
      let folder = telpher_open_at(parent, name, O_RDONLY | O_DIRECTORY)
      guard folder >= 0 else {
        unlinkat(parent, name, AT_REMOVEDIR)
        if folder == -ENOENT { continue }
        throw ErrorNumber(-folder)
      }
      if flock(folder, LOCK_EX | LOCK_NB) == 0 && faccessat(folder, "cgroup.procs", F_OK, 0) == 0 {
        return (name, folder)
      }
      close(folder)
    }
    throw ErrorNumber(EAGAIN)
  }

  /// Removes the empty groups of servers that have ended.
  static func removeStale(in parent: Int32) {
    for name in names(inFolder: parent, foldersOnly: true) where name.hasPrefix("telpher-") {
      let folder = telpher_open_at(parent, name, O_RDONLY | O_DIRECTORY)
      guard folder >= 0 else { continue }
      if flock(folder, LOCK_EX | LOCK_NB) == 0 { ControlGroup.remove(name, in: parent) }
      close(folder)
    }
  }
}
