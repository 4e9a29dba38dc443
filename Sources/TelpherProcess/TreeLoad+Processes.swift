internal import Glibc
package import TelpherTransport

extension TreeLoad {
  /// The age in nanoseconds of the walk through /proc that is still used: several clients may look
  /// at the same time.
  private static let maximumAge: UInt64 = 50_000_000

  /// Measures the processes that came from each child in `leaders`, by a walk through /proc. A child
  /// that has ended is not in the result. May be called from any thread.
  ///
  /// - Precondition: The children were not waited for. Otherwise their ids may belong to others.
  package static func load(of leaders: [Int32]) -> [Int32: TreeLoad] {
    guard !leaders.isEmpty else { return [:] }
    let table = RecentProcesses.shared.table(youngerThan: maximumAge) { table in
      leaders.allSatisfy(table.shows)
    }
    let trees = table.trees(of: leaders)
    return trees.mapValues { members in
      members.reduce(into: TreeLoad(processes: members.count)) { load, pid in load.add(pid) }
    }
  }

  /// Adds the processor time and memory of a process. One that has ended meanwhile adds nothing.
  private mutating func add(_ pid: Int32) {
    // The fields after the name: proc(5). utime, stime, cutime and cstime are the fields 14 to 17 of
    // the file in clock ticks, rss is the field 24 in pages. The state, after the name, is field 3.
    guard let bytes = readSmallFile("/proc/\(pid)/stat"),
      let bracket = bytes.lastIndex(of: UInt8(ascii: ")"))
    else { return }
    let fields = bytes[(bracket + 1)...].split(separator: UInt8(ascii: " "))
      .map { UInt64(String(decoding: $0, as: UTF8.self)) ?? 0 }
    guard fields.count > 21 else { return }
    let ticks = fields[11...14].reduce(0, &+)
    cpuMicroseconds &+= ticks &* Self.microsecondsPerTick
    memoryBytes &+= fields[21] &* Self.pageSize
  }

  private static let microsecondsPerTick = UInt64(1_000_000 / max(1, sysconf(Int32(_SC_CLK_TCK))))
  private static let pageSize = UInt64(max(1, sysconf(Int32(_SC_PAGESIZE))))
}

extension ProcessTable {
  /// The processes that came from each of `leaders`, without zombies: see `members(leader:)`. The
  /// tag and the mark are those of the leader. It takes one pass, however many leaders there are.
  func trees(of leaders: [Int32]) -> [Int32: [Int32]] {
    let byPid = Dictionary(entries.map { ($0.pid, $0) }) { $1 }
    let children = Dictionary(grouping: entries, by: \.parent)
    let groups = Dictionary(grouping: entries, by: \.group)
    let sessions = Dictionary(grouping: entries, by: \.session)
    var tagged: [UInt64: [Entry]] = [:]
    var marked: [String: [Entry]] = [:]
    for entry in entries {
      if let tag = entry.tag { tagged[tag, default: []].append(entry) }
      if let mark = entry.mark { marked[mark, default: []].append(entry) }
    }
    let own = getpid()
    var trees: [Int32: [Int32]] = [:]
    for leader in leaders {
      guard let first = byPid[leader] else { continue }
      var toVisit = [first] + (groups[leader] ?? []) + (sessions[leader] ?? [])
      if let tag = first.tag { toVisit += tagged[tag] ?? [] }
      if let mark = first.mark { toVisit += marked[mark] ?? [] }
      var found: Set<Int32> = []
      var members: [Int32] = []
      while let entry = toVisit.popLast() {
        guard entry.pid != own, found.insert(entry.pid).inserted else { continue }
        if !entry.isZombie { members.append(entry.pid) }
        toVisit += children[entry.pid] ?? []
      }
      trees[leader] = members.sorted()
    }
    return trees
  }
}
