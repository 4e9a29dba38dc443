internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The control groups of one server: a group `telpher-PID-RANDOM` below the server's own group, and
/// in it one `job-N` for each running command. May be used from any thread.
///
/// Creating and removing a group costs more than the rest of a launch's preparation (measured in
/// docs/decisions.md). So a group is reused if its command has ended and left no processes.
final class ControlGroupPool: Sendable {
  /// The most idle groups that are kept: enough for the commands that start and end at about the
  /// same time.
  static let largestIdleLimit = 128
  /// Idle groups are limited to the soft RLIMIT_NOFILE divided by this. Each keeps two descriptors
  /// open.
  static let idleShareOfDescriptors: UInt64 = 32
  /// How many groups with leftover processes are checked for each command, oldest first. So a
  /// server with many daemons does not check all of them each time.
  static let sweptPerCommand = 4

  private struct State {
    var idle: [ControlGroup] = []
    /// The names of groups whose command has ended and in which processes still run. Only names are
    /// kept: a server may have more such groups than descriptors.
    var leftovers: [String] = []
    var groupsMade = 0
    var isShutDown = false
  }

  private let parent: Int32
  private let name: String
  /// The open folder of the server's group, which holds the commands' groups.
  let folder: Int32
  private let idleLimit: Int
  private let state = Monitor(State())

  /// Creates the server's group. First removes the empty groups of servers that have ended.
  ///
  /// - Parameter idleLimit: the most idle groups to keep.
  /// - Throws: `TransportError` if control groups are not available: no version 2 hierarchy is
  ///   mounted, this process may not create a group, or the kernel has no cgroup.kill (Linux before
  ///   5.14).
  init(idleLimit: Int) throws(TransportError) {
    guard let own = ControlGroupMount.ownFolder() else {
      throw TransportError(.system, "no control group file system (version 2) is mounted")
    }
    let parent = telpher_open_at(AT_FDCWD, own, O_RDONLY | O_DIRECTORY)
    guard parent >= 0 else { throw TransportError("open \(own)", errno: -parent) }
    ServerGroup.removeStale(in: parent)
    let name: String
    let folder: Int32
    do {
      (name, folder) = try ServerGroup.make(in: parent)
    } catch {
      close(parent)
      throw TransportError("create a control group in \(own)", errno: error.value)
    }
    guard faccessat(folder, "cgroup.kill", W_OK, 0) == 0 else {
      close(folder)
      ControlGroup.remove(name, in: parent)
      close(parent)
      throw TransportError(
        .system, "this kernel has no cgroup.kill (Linux 5.14 or later is needed)")
    }
    self.parent = parent
    self.name = name
    self.folder = folder
    self.idleLimit = idleLimit
  }

  deinit {
    shutDown()
    close(folder)
    close(parent)
  }

  /// Returns an empty group for one command.
  ///
  /// - Throws: The errno of the failure to create one.
  func acquire() throws(ErrorNumber) -> ControlGroup {
    let (idle, number) = state.withLock { state in
      state.groupsMade += state.idle.isEmpty ? 1 : 0
      return (state.idle.popLast(), state.groupsMade)
    }
    if let idle { return idle }
    sweep()
    return try ControlGroup(number: UInt64(number), in: folder)
  }

  /// Takes back the group of a command that has ended. Processes that are left in it keep running.
  func giveBack(_ group: ControlGroup) {
    guard group.isReusable else { return discard(group) }
    let isKept = state.withLock { state in
      guard !state.isShutDown, state.idle.count < idleLimit else { return false }
      state.idle.append(group)
      return true
    }
    if !isKept { discard(group) }
    sweep()
  }

  /// Takes back a group that is not to be reused.
  func discard(_ group: ControlGroup) {
    if ControlGroup.remove(group.name, in: folder) { return }
    state.withLock { $0.leftovers.append(group.name) }
  }

  /// Discards the idle groups, to free their descriptors when descriptors ran out.
  func discardIdle() {
    let idle = state.withLock { state in
      defer { state.idle = [] }
      return state.idle
    }
    for group in idle { discard(group) }
  }

  /// Removes all empty groups, and the server's group if no processes are left in any.
  func shutDown() {
    state.withLock { $0.isShutDown = true }
    discardIdle()
    ControlGroup.remove(name, in: parent)
  }

  /// Removes leftover groups that have become empty.
  private func sweep() {
    let some = state.withLock { state in
      let some = Array(state.leftovers.prefix(Self.sweptPerCommand))
      state.leftovers.removeFirst(some.count)
      return some
    }
    for name in some where !ControlGroup.remove(name, in: folder) {
      state.withLock { $0.leftovers.append(name) }
    }
  }

  /// How many idle groups a server keeps: each needs two descriptors.
  static func idleLimitByDescriptors() -> Int {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    guard telpher_get_limit(telpher_limit_nofile, &soft, &hard) == 0 else { return 1 }
    return Int(min(UInt64(largestIdleLimit), max(1, soft / idleShareOfDescriptors)))
  }
}
