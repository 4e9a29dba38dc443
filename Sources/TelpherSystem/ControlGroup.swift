internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The control group of one command at a time: a folder whose files tell who is in it and end all
/// of them at once (cgroups(7), the kernel's admin-guide/cgroup-v2).
///
/// It keeps its folder and its cgroup.events open, so that a command in a pooled group costs no
/// path lookup. From any thread.
final class ControlGroup: Sendable {
  /// The folder's name below the server's own group.
  var name: String { "job-\(number)" }
  /// The number in it.
  let number: UInt64
  /// The open folder, for clone3(2).
  let folder: Int32
  private let events: Int32
  private let killed = Lock(false)

  /// Makes the group of this number in the folder `parent`.
  ///
  /// - Throws: the errno of what failed. The group is not there then.
  init(number: UInt64, in parent: Int32) throws(ErrorNumber) {
    let name = "job-\(number)"
    guard mkdirat(parent, name, 0o755) == 0 else { throw ErrorNumber(errno) }
    let folder = telpher_open_at(parent, name, O_RDONLY | O_DIRECTORY)
    let events = folder < 0 ? folder : telpher_open_at(folder, "cgroup.events", O_RDONLY)
    guard events >= 0 else {
      if folder >= 0 { close(folder) }
      unlinkat(parent, name, AT_REMOVEDIR)
      throw ErrorNumber(-events)
    }
    self.number = number
    self.folder = folder
    self.events = events
  }

  deinit {
    close(events)
    close(folder)
  }

  /// Sends `signal` to everyone in the group and in groups below it, to each that is found. SIGKILL
  /// is the kernel's first, who also gets those that are being forked, and goes to whoever is left.
  ///
  /// - Returns: those that were sent it one by one.
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
      // The kernel sends it to the first thread of each, and where that has ended before the others
      // (pthread_exit(3)) nobody gets it; what is sent to the process reaches them. It may have
      // forked meanwhile.
      let new = Self.members(of: folder).filter { reached.insert($0).inserted }
      if new.isEmpty { break }
      send(signal, to: new)
    }
    return reached
  }

  private func send(_ signal: Int32, to pids: [Int32]) {
    for pid in pids { kill(pid, signal) }
  }

  /// Whether the group can take the next command: it is empty and thawed, and was never killed, since
  /// what starts there then takes a second attempt (see launch.c).
  var isReusable: Bool { !killed.withLock { $0 } && isEmptyAndThawed }

  /// Whether anybody runs in the group or below it. Zombies are not counted.
  var hasSurvivors: Bool {
    guard !isEmptyAndThawed else { return false }
    return Self.members(of: folder).contains { !ProcessTable.isZombie($0) }
  }

  /// Whether nobody is in the group nor below it (of which the kernel keeps account: `populated`),
  /// and the last command has not left it frozen.
  private var isEmptyAndThawed: Bool {
    // "populated 0\nfrozen 0\n"
    var buffer: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (
      0, 0, 0, 0, 0, 0, 0, 0
    )
    return withUnsafeMutableBytes(of: &buffer) { buffer in
      let count = pread(events, buffer.baseAddress, buffer.count, 0)
      guard count > 0 else { return false }
      let text = String(decoding: buffer.prefix(count), as: UTF8.self)
      return text.hasPrefix("populated 0\n") && !text.contains("frozen 1")
    }
  }

  /// The ids of all in the group that has `folder` open, and in the groups below it, which a
  /// container's manager or another server started there may have made.
  private static func members(of folder: Int32) -> [Int32] {
    var pids = (readSmallText(in: folder, "cgroup.procs") ?? "")
      .split(separator: "\n").compactMap { Int32($0) }
      // 0 is one outside of our pid namespace; signaling it would mean our own group.
      .filter { $0 > 0 }
    for name in names(inFolder: folder, foldersOnly: true) {
      let below = telpher_open_at(folder, name, O_RDONLY | O_DIRECTORY)
      guard below >= 0 else { continue }
      pids += members(of: below)
      close(below)
    }
    return pids
  }

  /// Removes the group `name` in `parent` and the groups below it, as far as they are empty. Returns
  /// whether it is gone.
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

/// An error number of errno(3), thrown inside this module until it is known what to call it.
package struct ErrorNumber: Error {
  package var value: Int32
  package init(_ value: Int32) { self.value = value }
}
