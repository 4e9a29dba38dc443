internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The control groups of one server: a group `telpher-PID-RANDOM` below the server's own, and in it
/// one `job-N` for each command that runs. From any thread.
///
/// Making and removing a group costs more than all the rest of a launch's preparation (see
/// docs/architecture.md, "Figures"), so groups whose command has ended and left nobody behind are
/// used again.
final class ControlGroupPool: Sendable {
  /// Idle groups kept at most: as many as commands that come and go at one time.
  static let largestIdleLimit = 128
  /// An idle group keeps two descriptors: it may have this part of the soft RLIMIT_NOFILE.
  static let idleShareOfDescriptors: UInt64 = 32
  /// How many groups with leftovers are looked at for each command, oldest first, so that a server
  /// full of daemons does not look at all of them each time.
  static let sweptPerCommand = 4

  private struct State {
    var idle: [ControlGroup] = []
    /// Groups whose command has ended, and where somebody still runs. Only by name: a server may
    /// have any number of them, and not so many descriptors.
    var leftovers: [String] = []
    var groupsMade = 0
    var isShutDown = false
  }

  private let parent: Int32
  private let name: String
  /// The open folder that holds the commands' groups.
  let folder: Int32
  private let idleLimit: Int
  private let state = Lock(State())

  /// Makes the server's group, after removing empty ones of servers that are gone.
  ///
  /// - Throws: `TransportError` where control groups can't be had: none mounted, no right to make
  ///   one, or a kernel without cgroup.kill (before 5.14).
  init(idleLimit: Int? = nil) throws(TransportError) {
    guard let own = ControlGroupMount.ownFolder() else {
      throw TransportError(.system, "no control group file system (version 2) is mounted")
    }
    let parent = telpher_open_at(AT_FDCWD, own, O_RDONLY | O_DIRECTORY)
    guard parent >= 0 else { throw TransportError("open \(own)", errno: -parent) }
    Self.removeStale(in: parent)
    let name: String
    let folder: Int32
    do {
      (name, folder) = try Self.makeServerGroup(in: parent)
    } catch {
      close(parent)
      throw TransportError("make a control group in \(own)", errno: error.value)
    }
    guard faccessat(folder, "cgroup.kill", W_OK, 0) == 0 else {
      close(folder)
      ControlGroup.remove(name, in: parent)
      close(parent)
      throw TransportError(.system, "this kernel's control groups lack cgroup.kill")
    }
    self.parent = parent
    self.name = name
    self.folder = folder
    self.idleLimit = idleLimit ?? Self.idleLimitByDescriptors()
  }

  deinit {
    shutDown()
    close(folder)
    close(parent)
  }

  /// A group for one command, empty.
  ///
  /// - Throws: the errno of why none could be made.
  func acquire() throws(ErrorNumber) -> ControlGroup {
    let (idle, number) = state.withLock { state in
      state.groupsMade += state.idle.isEmpty ? 1 : 0
      return (state.idle.popLast(), state.groupsMade)
    }
    if let idle { return idle }
    sweep()
    return try ControlGroup(number: UInt64(number), in: folder)
  }

  /// Takes back the group of a command that has ended. Whoever is left in it is left alone.
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

  /// Takes back a group that is not to be used again.
  func discard(_ group: ControlGroup) {
    if ControlGroup.remove(group.name, in: folder) { return }
    state.withLock { $0.leftovers.append(group.name) }
  }

  /// Gives up the idle groups' descriptors, because descriptors ran out.
  func shedIdle() {
    let shed = state.withLock { state in
      defer { state.idle = [] }
      return state.idle
    }
    for group in shed { discard(group) }
  }

  /// Removes all groups that are empty, the server's own included if nobody is left in any.
  func shutDown() {
    state.withLock { $0.isShutDown = true }
    shedIdle()
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

  private static func idleLimitByDescriptors() -> Int {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    guard telpher_get_limit(telpher_limit_nofile, &soft, &hard) == 0 else { return 1 }
    return Int(min(UInt64(largestIdleLimit), max(1, soft / idleShareOfDescriptors)))
  }

  /// A living server holds a lock (flock(2)) on its folder. A process id in the name would not do to
  /// tell who lives: it is given out again, and means another in another pid namespace.
  private static func makeServerGroup(
    in parent: Int32
  ) throws(ErrorNumber) -> (name: String, folder: Int32) {
    // Another server's start may take our folder for a stale one in the moment before it is locked.
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

  private static func removeStale(in parent: Int32) {
    for name in names(inFolder: parent, foldersOnly: true) where name.hasPrefix("telpher-") {
      let folder = telpher_open_at(parent, name, O_RDONLY | O_DIRECTORY)
      guard folder >= 0 else { continue }
      if flock(folder, LOCK_EX | LOCK_NB) == 0 { ControlGroup.remove(name, in: parent) }
      close(folder)
    }
  }
}
