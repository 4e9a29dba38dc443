internal import Glibc

/// Reads the memory use of processes from /proc.
enum ProcessMemory {
  /// Returns the proportional set size of a process in KiB: its private pages, and its share of the
  /// pages that several processes use. Nil if there is no such process.
  static func kibibytes(of pid: pid_t) -> Int? {
    field("Pss:", in: "/proc/\(pid)/smaps_rollup")
  }

  /// Returns the greatest resident memory of a process so far in MiB; nil if it has ended.
  static func peak(of pid: pid_t) -> Double? {
    field("VmHWM:", in: "/proc/\(pid)/status").map { Double($0) / 1_024 }
  }

  /// Returns the sum for `pid` and its descendants, counting only those whose program's name begins
  /// with `name`.
  static func kibibytes(ofTree pid: pid_t, named name: String) -> Int {
    let parents = parents()
    var sum = 0
    for process in parents.keys {
      var ancestor: pid_t? = process
      while let current = ancestor, current != pid { ancestor = parents[current] }
      guard ancestor == pid, programName(process).hasPrefix(name) else { continue }
      sum += kibibytes(of: process) ?? 0
    }
    return sum
  }

  /// Calls `measure` repeatedly until its value stays within half a percent, for at most `seconds`,
  /// and returns the last value.
  static func settled(within seconds: Double, _ measure: () throws -> Int) async throws -> Int {
    let end = monotonicNow() + UInt64(seconds * 1e9)
    var last = try measure()
    var same = 0
    while same < 10 && monotonicNow() < end {
      try await Task.sleep(for: .milliseconds(50))
      let now = try measure()
      same = abs(now - last) * 200 <= now ? same + 1 : 0
      last = now
    }
    return last
  }

  /// The parent of each process.
  private static func parents() -> [pid_t: pid_t] {
    guard let folder = opendir("/proc") else { return [:] }
    defer { closedir(folder) }
    var parents: [pid_t: pid_t] = [:]
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard let pid = pid_t(name), let parent = field("PPid:", in: "/proc/\(pid)/status") else {
        continue
      }
      parents[pid] = pid_t(parent)
    }
    return parents
  }

  /// The processes whose command line contains `text`.
  static func processes(with text: String) -> [pid_t] {
    parents().keys.filter { readText("/proc/\($0)/cmdline")?.contains(text) == true }.sorted()
  }

  private static func programName(_ pid: pid_t) -> String {
    readText("/proc/\(pid)/comm") ?? ""
  }

  private static func field(_ name: String, in path: String) -> Int? {
    guard let text = readText(path) else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      return line.dropFirst(name.count).split { $0 == " " || $0 == "\t" }.first.flatMap { Int($0) }
    }
    return nil
  }
}
