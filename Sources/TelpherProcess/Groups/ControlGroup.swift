internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// A control group: a folder whose files list the processes in it and kill all of them at once
/// (cgroups(7), the kernel's admin-guide/cgroup-v2). It serves one command at a time.
///
/// It keeps its folder and its cgroup.events open, so that a command in a reused group needs no
/// path lookup. May be used from any thread.
final class ControlGroup: Sendable {
  /// The folder's name below the server's own group.
  let name: String
  /// The number in the name of a group of the pool. Nil for a group with limits, which is used once.
  let number: UInt64?
  /// The open folder, for clone3(2).
  let folder: Int32
  private let events: Int32
  private let killed = Monitor(false)

  /// Creates the group `number` in the folder `parent`.
  ///
  /// - Throws: The errno of the step that failed. No group is left then.
  convenience init(number: UInt64, in parent: Int32) throws(ErrorNumber) {
    try self.init(name: "job-\(number)", number: number, in: parent)
  }

  /// Opens the group `name` with limits in the folder `parent`, and creates it if it does not exist.
  ///
  /// - Throws: The errno of the step that failed.
  convenience init(limited name: String, in parent: Int32) throws(ErrorNumber) {
    try self.init(name: name, number: nil, in: parent)
  }

  private init(name: String, number: UInt64?, in parent: Int32) throws(ErrorNumber) {
    guard mkdirat(parent, name, 0o755) == 0 || (number == nil && errno == EEXIST) else {
      throw ErrorNumber(errno)
    }
    let folder = telpher_open_at(parent, name, O_RDONLY | O_DIRECTORY)
    let events = folder < 0 ? folder : telpher_open_at(folder, "cgroup.events", O_RDONLY)
    guard events >= 0 else {
      if folder >= 0 { close(folder) }
      unlinkat(parent, name, AT_REMOVEDIR)
      throw ErrorNumber(-events)
    }
    self.name = name
    self.number = number
    self.folder = folder
    self.events = events
  }

  deinit {
    close(events)
    close(folder)
  }

  /// Sends `signal` to each process that is found in the group and in the groups below it. SIGKILL
  /// is first sent by the kernel (cgroup.kill), which also reaches processes that are being forked,
  /// and then to each process that is left.
  ///
  /// - Returns: The processes that were sent the signal one by one.
  @discardableResult
  func signal(_ signal: Int32) -> Set<Int32> {
    guard signal == SIGKILL else {
      let members = Self.members(of: folder)
      send(signal, to: members)
      return Set(members)
    }
    killed.withLock { $0 = true }
    var reached: Set<Int32> = []
    for _ in 0..<ProcessTree.killRounds {
      _ = writeSmallFile(in: folder, "cgroup.kill", "1")
      // The kernel sends SIGKILL to the first thread of each process. If that thread has ended
      // before the others (pthread_exit(3)), the process survives; a signal to the process reaches
      // its other threads. The process may have forked meanwhile.
      let new = Self.members(of: folder).filter { reached.insert($0).inserted }
      if new.isEmpty { break }
      send(signal, to: new)
    }
    return reached
  }

  private func send(_ signal: Int32, to pids: [Int32]) {
    for pid in pids { kill(pid, signal) }
  }

  /// Whether the next command may use the group. It must be empty, not frozen, and never killed: a
  /// launch into a group that was killed needs a second attempt (see launch.c).
  var isReusable: Bool { !killed.withLock { $0 } && isEmptyAndThawed }

  /// Whether any process runs in the group or below it. Zombies are not counted.
  var hasSurvivors: Bool {
    guard !isEmptyAndThawed else { return false }
    return Self.members(of: folder).contains { !ProcessTable.isZombie($0) }
  }

  /// Whether no process is in the group or below it (`populated`, kept by the kernel), and the last
  /// command has not left the group frozen.
  private var isEmptyAndThawed: Bool {
    var buffer: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (
      0, 0, 0, 0, 0, 0, 0, 0
    )
    return withUnsafeMutableBytes(of: &buffer) { buffer in
      let count = pread(events, buffer.baseAddress, buffer.count, 0)
      guard count > 0 else { return false }
      // What all known kernels write; only other text is parsed.
      if buffer.prefix(count).elementsEqual("populated 0\nfrozen 0\n".utf8) { return true }
      let text = String(decoding: buffer.prefix(count), as: UTF8.self)
      return text.hasPrefix("populated 0\n") && !text.contains("frozen 1")
    }
  }

  /// The process ids in the group whose folder is `folder` and in the groups below it. A command
  /// that is a container manager or another server may have created groups below its own.
  private static func members(of folder: Int32) -> [Int32] {
    var pids = (readSmallText(in: folder, "cgroup.procs") ?? "")
      .split(separator: "\n").compactMap { Int32($0) }
      // 0 stands for a process outside of our pid namespace. Signaling 0 would signal our own
      // process group.
      .filter { $0 > 0 }
    for name in names(inFolder: folder, foldersOnly: true) {
      let below = telpher_open_at(folder, name, O_RDONLY | O_DIRECTORY)
      guard below >= 0 else { continue }
      pids += members(of: below)
      close(below)
    }
    return pids
  }

  /// Removes the group `name` in `parent` and the groups below it if they are empty. Returns
  /// whether the group is gone.
  @discardableResult
  static func remove(_ name: String, in parent: Int32) -> Bool {
    if unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT { return true }
    let folder = telpher_open_at(parent, name, O_RDONLY | O_DIRECTORY)
    guard folder >= 0 else { return false }
    for below in names(inFolder: folder, foldersOnly: true) { remove(below, in: folder) }
    close(folder)
    return unlinkat(parent, name, AT_REMOVEDIR) == 0
  }
}
