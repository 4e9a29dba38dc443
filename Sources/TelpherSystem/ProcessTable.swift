internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The processes of this machine as /proc shows them at one moment: proc(5).
struct ProcessTable {
  /// One process.
  struct Entry {
    var pid: Int32
    var parent: Int32
    var group: Int32
    var session: Int32
    var isZombie: Bool
  }

  /// All processes, in no order.
  let entries: [Entry]

  /// Reads /proc. What starts meanwhile may be missing.
  init() {
    let proc = telpher_open_at(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY)
    guard proc >= 0 else {
      entries = []
      return
    }
    defer { close(proc) }
    entries = names(inFolder: proc).compactMap { name in
      Int32(name).flatMap { Self.entry(of: $0) }
    }
  }

  /// The children of this process, zombies included: proc(5), /proc/PID/task/TID/children, or all of
  /// /proc where the kernel does not have that.
  static var ownChildren: [Int32] {
    let tasks = telpher_open_at(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY)
    guard tasks >= 0 else { return [] }
    defer { close(tasks) }
    var children: [Int32] = []
    for task in names(inFolder: tasks) {
      guard let text = readSmallText(in: tasks, "\(task)/children") else {
        // A thread that has ended meanwhile, or such a kernel.
        guard task == "\(getpid())" else { continue }
        let own = getpid()
        return ProcessTable().entries.filter { $0.parent == own }.map(\.pid)
      }
      children += text.split(separator: " ").compactMap { Int32($0) }
    }
    return children
  }

  /// Whether `pid` has ended and was not waited for.
  static func isZombie(_ pid: Int32) -> Bool {
    entry(of: pid)?.isZombie ?? false
  }

  /// The processes that came from the child `leader`, zombies excluded: itself, its group, its
  /// session, all below any of these, and all of our user that carry `mark` in their environment.
  ///
  /// - Precondition: `leader` was not waited for, or its id may be a stranger's.
  func members(leader: Int32, mark: String) -> [Int32] {
    let own = getpid()
    var children: [Int32: [Int32]] = [:]
    for entry in entries { children[entry.parent, default: []].append(entry.pid) }
    var found: Set<Int32> = []
    var toVisit: [Int32] = []
    let variable = Array("\(ProcessTree.markName)=\(mark)".utf8)
    for entry in entries where entry.pid != own {
      if entry.pid == leader || entry.group == leader || entry.session == leader
        || (!entry.isZombie && Self.environment(of: entry, contains: variable))
      {
        toVisit.append(entry.pid)
      }
    }
    while let pid = toVisit.popLast() {
      guard found.insert(pid).inserted else { continue }
      toVisit += children[pid] ?? []
    }
    return entries.filter { found.contains($0.pid) && !$0.isZombie }.map(\.pid)
  }

  private static func entry(of pid: Int32) -> Entry? {
    // pid (name) state parent group session ...; a name may hold spaces and brackets.
    guard let bytes = readSmallFile("/proc/\(pid)/stat"),
      let bracket = bytes.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = bytes[(bracket + 1)...].split(separator: UInt8(ascii: " "), maxSplits: 4)
    guard fields.count == 5, let state = fields[0].first,
      let parent = number(fields[1]), let group = number(fields[2]), let session = number(fields[3])
    else { return nil }
    return Entry(
      pid: pid, parent: parent, group: group, session: session,
      isZombie: state == UInt8(ascii: "Z") || state == UInt8(ascii: "X"))
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int32? {
    Int32(String(decoding: digits, as: UTF8.self))
  }

  private static func environment(of entry: Entry, contains variable: [UInt8]) -> Bool {
    // Kernel threads (2 is their parent) have none.
    guard entry.parent != 2, entry.pid != 2 else { return false }
    var info = stat()
    guard stat("/proc/\(entry.pid)", &info) == 0, info.st_uid == geteuid(),
      let bytes = readSmallFile("/proc/\(entry.pid)/environ")
    else { return false }
    return bytes.split(separator: 0).contains { $0.elementsEqual(variable) }
  }
}
