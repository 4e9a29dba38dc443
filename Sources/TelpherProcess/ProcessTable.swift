internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// A snapshot of the processes of this machine, from /proc: proc(5).
struct ProcessTable: Sendable {
  /// One process.
  struct Entry: Sendable {
    var pid: Int32
    var parent: Int32
    var group: Int32
    var session: Int32
    var isZombie: Bool
    /// The job mark in its environment. Nil if the environment is not readable for us or the
    /// process has a tag.
    var mark: String?
    /// Its tag, if any: see `ProcessTags`.
    var tag: UInt64?
    /// When it started, in clock ticks since boot: proc(5).
    var startTime: UInt64 = 0

    var identity: ProcessIdentity { ProcessIdentity(pid: pid, startTime: startTime) }
  }

  /// When this process started. Processes that started earlier can't have come from it, so their
  /// tag and mark are not read.
  private static let ownStartTime = entry(of: getpid())?.startTime ?? 0
  /// The tag that this process was given by a server that runs it, if any.
  private static let ownTag = tag(of: getpid())

  /// The most times that /proc is listed, if each listing shows processes that the previous one did
  /// not.
  private static let mostListings = 16

  /// All processes, in no order.
  let entries: [Entry]
  /// For each process id, the indices in `entries` of its children.
  private let children: [Int32: [Int]]

  /// Creates a table of `entries`.
  init(_ entries: [Entry]) {
    self.entries = entries
    children = Dictionary(grouping: entries.indices) { entries[$0].parent }
  }

  /// Reads /proc until a listing shows no new process. A process that ended before it was read may
  /// have left a child that the listing did not show.
  init() {
    let proc = telpher_open_at(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY)
    guard proc >= 0 else {
      self.init([])
      return
    }
    defer { close(proc) }
    var seen: Set<Int32> = []
    var entries: [Entry] = []
    for _ in 0..<Self.mostListings {
      let new = names(inFolder: proc).compactMap { Int32($0) }.filter { seen.insert($0).inserted }
      if new.isEmpty { break }
      for pid in new {
        guard var entry = Self.entry(of: pid) else { continue }
        if !entry.isZombie, entry.startTime >= Self.ownStartTime { Self.readTagOrMark(of: &entry) }
        entries.append(entry)
      }
    }
    self.init(entries)
  }

  /// Whether the table contains `pid`, running or ended.
  func shows(_ pid: Int32) -> Bool { entries.contains { $0.pid == pid } }

  /// Whether the table contains `pid` as a zombie.
  func showsZombie(_ pid: Int32) -> Bool {
    entries.contains { $0.pid == pid && $0.isZombie }
  }

  /// The children of this process, zombies included, from /proc/PID/task/TID/children (proc(5)). A
  /// kernel without that file needs a scan of /proc.
  static var ownChildren: [Int32] {
    let tasks = telpher_open_at(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY)
    guard tasks >= 0 else { return [] }
    defer { close(tasks) }
    var children: [Int32] = []
    for task in names(inFolder: tasks) {
      guard let text = readSmallText(in: tasks, "\(task)/children") else {
        // The thread has ended meanwhile, or the kernel does not have the file.
        guard task == "\(getpid())" else { continue }
        let own = getpid()
        return ProcessTable().entries.filter { $0.parent == own }.map(\.pid)
      }
      children += text.split(separator: " ").compactMap { Int32($0) }
    }
    return children
  }

  /// Whether `pid` is a zombie.
  static func isZombie(_ pid: Int32) -> Bool {
    entry(of: pid)?.isZombie ?? false
  }

  /// The processes that came from the child `leader`, without zombies: the leader, its process
  /// group, its session, all with `tag`, all of our user with `mark` in their environment, all that
  /// are `known` already, and all descendants of these.
  ///
  /// - Precondition: `leader` was not waited for. Otherwise its id may belong to another process.
  func members(
    leader: Int32, mark: String?, tag: UInt64? = nil, known: Set<ProcessIdentity> = []
  ) -> [ProcessIdentity] {
    let own = getpid()
    var toVisit = entries.indices.filter { index in
      let entry = entries[index]
      return entry.pid != own
        && (entry.pid == leader || entry.group == leader || entry.session == leader
          || (mark != nil && entry.mark == mark) || (tag != nil && entry.tag == tag)
          || known.contains(entry.identity))
    }
    var found: Set<Int> = []
    while let index = toVisit.popLast() {
      guard found.insert(index).inserted else { continue }
      toVisit += children[entries[index].pid] ?? []
    }
    return found.sorted().map { entries[$0] }.filter { !$0.isZombie }.map(\.identity)
  }

  /// Reads the process `pid`, without its mark and tag.
  static func entry(of pid: Int32) -> Entry? {
    // The format is: pid (name) state parent group session ... A name may contain spaces and
    // brackets. The number of threads is the 18th field after the name, the start time the 20th.
    guard let bytes = readSmallFile("/proc/\(pid)/stat"),
      let bracket = bytes.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = bytes[(bracket + 1)...].split(separator: UInt8(ascii: " "), maxSplits: 20)
    guard fields.count == 21, let state = fields[0].first,
      let parent = number(fields[1]), let group = number(fields[2]),
      let session = number(fields[3]), let threads = number(fields[17]),
      let startTime = UInt64(String(decoding: fields[19], as: UTF8.self))
    else { return nil }
    // A process whose first thread has ended before the others has the state of a zombie but still
    // runs.
    let hasEnded = state == UInt8(ascii: "Z") || state == UInt8(ascii: "X")
    return Entry(
      pid: pid, parent: parent, group: group, session: session,
      isZombie: hasEnded && threads <= 1, startTime: startTime)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int32? {
    Int32(String(decoding: digits, as: UTF8.self))
  }

  /// Reads the tag, and the mark if there is no tag.
  private static func readTagOrMark(of entry: inout Entry) {
    // Kernel threads (pid 2 and its children) have neither.
    guard entry.parent != 2, entry.pid != 2 else { return }
    entry.tag = tag(of: entry.pid)
    // Ignore the tag of this process itself (set by a server that runs it): children inherit it
    // until they get a tag of their own.
    if entry.tag == ownTag { entry.tag = nil }
    if entry.tag == nil { entry.mark = mark(of: entry) }
  }

  /// The soft limit of file locks. Nil if it is unlimited.
  private static func tag(of pid: Int32) -> UInt64? {
    guard let bytes = readSmallFile("/proc/\(pid)/limits") else { return nil }
    let label = Array("Max file locks ".utf8)
    let line = bytes.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: label) }
    let fields = line?.dropFirst(label.count).split(separator: UInt8(ascii: " "))
    return fields?.first.flatMap { UInt64(String(decoding: $0, as: UTF8.self)) }
  }

  private static func mark(of entry: Entry) -> String? {
    var info = stat()
    guard stat("/proc/\(entry.pid)", &info) == 0, info.st_uid == geteuid(),
      let bytes = readSmallFile("/proc/\(entry.pid)/environ")
    else { return nil }
    let name = Array("\(ProcessTree.markName)=".utf8)
    let variable = bytes.split(separator: 0).first { $0.starts(with: name) }
    return variable.map { String(decoding: $0.dropFirst(name.count), as: UTF8.self) }
  }
}
