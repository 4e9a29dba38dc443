import Glibc

/// A process as proc(5) describes it.
struct ProcessView {
  let pid: Int32

  /// Whether the process exists, running or as a zombie.
  var exists: Bool { !status.isEmpty }
  /// Resident memory in KiB.
  var residentKiB: Int { number("VmRSS:") }
  /// The id of its user.
  var uid: Int { number("Uid:") }

  /// Its open descriptors.
  var descriptors: Int { entries(of: "/proc/\(pid)/fd").count }

  /// Processor time used, user's and system's, in ticks of 10 ms.
  var ticks: Int {
    // The name may contain blanks and ends with the last bracket; the times are fields 14 and 15.
    let fields = text("/proc/\(pid)/stat").split(separator: ")").last?.split(separator: " ") ?? []
    return fields.count > 12 ? (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0) : 0
  }

  /// Its children, including zombies, but not the helper process of a sanitizer, which checks
  /// whether to suppress a report.
  var children: [Int32] {
    let all = entries(of: "/proc/\(pid)/task").flatMap { task in
      text("/proc/\(pid)/task/\(task)/children").split(separator: " ").compactMap { Int32($0) }
    }
    guard Sanitizer.isPresent else { return all }
    return all.filter { text("/proc/\($0)/comm") != "llvm-symbolizer\n" }
  }

  /// The control groups that a server has made for its commands.
  var controlGroups: [String] {
    guard
      let own = text("/proc/\(pid)/cgroup").split(separator: "\n")
        .first(where: { $0.hasPrefix("0::") })?.dropFirst(3),
      let mount = text("/proc/self/mountinfo").split(separator: "\n")
        .first(where: { $0.contains(" - cgroup2 ") })?.split(separator: " ")[4]
    else { return [] }
    let folder = "\(mount)\(own)"
    return entries(of: folder).filter { $0.hasPrefix("telpher-\(pid)-") }
      .flatMap { entries(of: "\(folder)/\($0)") }.filter { $0.hasPrefix("job-") }
  }

  /// The running processes that have `mark` in their arguments.
  static func marked(_ mark: String) -> [Int32] {
    entries(of: "/proc").compactMap { Int32($0) }.filter {
      $0 != getpid() && ProcessView(pid: $0).arguments.contains(mark)
    }
  }

  /// Its arguments, each followed by a zero byte; empty for a zombie. A process that is executing a
  /// program has none for a moment, in which this waits.
  private var arguments: String {
    // Other programs may have cleared their arguments.
    for _ in 0..<1_000 {
      let found = text("/proc/\(pid)/cmdline")
      if !found.isEmpty || access("/proc/\(pid)/exe", F_OK) != 0 { return found }
      sched_yield()
    }
    return ""
  }

  private var status: String { text("/proc/\(pid)/status") }

  private func number(_ name: String) -> Int {
    status.split(separator: "\n").first { $0.hasPrefix(name) }
      .flatMap { $0.dropFirst(name.count).split(whereSeparator: \.isWhitespace).first }
      .flatMap { Int($0) } ?? 0
  }
}

/// The text of a file; empty if it can't be read.
func text(_ path: String) -> String {
  guard let file = fopen(path, "re") else { return "" }
  defer { fclose(file) }
  return String(decoding: bytes(of: file), as: UTF8.self)
}

/// The remaining bytes of `file`.
func bytes(of file: UnsafeMutablePointer<FILE>) -> [UInt8] {
  var bytes: [UInt8] = []
  while true {
    let more = [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
      count = fread(buffer.baseAddress, 1, buffer.count, file)
    }
    if more.isEmpty { return bytes }
    bytes += more
  }
}

/// The names in a folder, without `.` and `..`.
func entries(of path: String) -> [String] {
  guard let folder = opendir(path) else { return [] }
  defer { closedir(folder) }
  var names: [String] = []
  while let entry = readdir(folder) {
    names.append(
      withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      })
  }
  return names.filter { $0 != "." && $0 != ".." }
}

/// A duration for `sleep` that no other process has in its arguments.
func unusualDuration() -> String { "9\(UInt32.random(in: 100_000...999_999)).\(getpid())" }
