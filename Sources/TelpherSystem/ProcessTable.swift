internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The processes of this machine as /proc shows them at one moment: proc(5).
struct ProcessTable: Sendable {
  /// One process.
  struct Entry: Sendable {
    var pid: Int32
    var parent: Int32
    var group: Int32
    var session: Int32
    var isZombie: Bool
    /// The job whose mark it has in its environment, where that is ours to read and it has no tag.
    var mark: String?
    /// The tag that it was given, if any: `ProcessTags`.
    var tag: UInt64?
    /// When it started, in ticks: proc(5).
    var startTime: UInt64 = 0

    var identity: ProcessIdentity { ProcessIdentity(pid: pid, startTime: startTime) }
  }

  /// When this process started. Those that started before it did not come from it, and are not looked
  /// at closely.
  private static let ownStartTime = entry(of: getpid())?.startTime ?? 0
  /// The tag that this process was given by a server that runs it, if any.
  private static let ownTag = tag(of: getpid())

  /// Listings of /proc at most, where each shows processes that the one before did not.
  private static let mostListings = 16

  /// All processes, in no order.
  let entries: [Entry]
  /// The places in `entries` of each process's children, by its id.
  private let children: [Int32: [Int]]

  /// A table of `entries`.
  init(_ entries: [Entry]) {
    self.entries = entries
    children = Dictionary(grouping: entries.indices) { entries[$0].parent }
  }

  /// Reads /proc until a listing shows nobody new: one that ended before it was looked at may have
  /// left a child that the listing did not show.
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
        if !entry.isZombie, entry.startTime >= Self.ownStartTime { Self.look(at: &entry) }
        entries.append(entry)
      }
    }
    self.init(entries)
  }

  /// Whether `pid` is in it, ended or not.
  func shows(_ pid: Int32) -> Bool { entries.contains { $0.pid == pid } }

  /// Whether it was made when `pid` had ended, and had not been waited for.
  func showsZombie(_ pid: Int32) -> Bool {
    entries.contains { $0.pid == pid && $0.isZombie }
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
  /// session, all with `tag`, all of our user that carry `mark` in their environment, all that are
  /// `known` already, and all below any of these.
  ///
  /// - Precondition: `leader` was not waited for, or its id may be a stranger's.
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

  /// The process `pid`, without its mark and tag.
  static func entry(of pid: Int32) -> Entry? {
    // pid (name) state parent group session ...; a name may hold spaces and brackets. The number of
    // threads is the eighteenth after the name, the start time the twentieth.
    guard let bytes = readSmallFile("/proc/\(pid)/stat"),
      let bracket = bytes.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = bytes[(bracket + 1)...].split(separator: UInt8(ascii: " "), maxSplits: 20)
    guard fields.count == 21, let state = fields[0].first,
      let parent = number(fields[1]), let group = number(fields[2]),
      let session = number(fields[3]), let threads = number(fields[17]),
      let startTime = UInt64(String(decoding: fields[19], as: UTF8.self))
    else { return nil }
    // A process whose first thread has ended before the others looks like a zombie, and runs.
    let hasEnded = state == UInt8(ascii: "Z") || state == UInt8(ascii: "X")
    return Entry(
      pid: pid, parent: parent, group: group, session: session,
      isZombie: hasEnded && threads <= 1, startTime: startTime)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int32? {
    Int32(String(decoding: digits, as: UTF8.self))
  }

  /// Reads its tag, and its mark if it has no tag.
  private static func look(at entry: inout Entry) {
    // Kernel threads (2 is their parent) have none.
    guard entry.parent != 2, entry.pid != 2 else { return }
    entry.tag = tag(of: entry.pid)
    // A tag of ours that another server gave us says nothing: children have it until they get theirs.
    if entry.tag == ownTag { entry.tag = nil }
    if entry.tag == nil { entry.mark = mark(of: entry) }
  }

  /// The soft limit of file locks, unless there is none.
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
