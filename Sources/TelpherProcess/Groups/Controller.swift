internal import TelpherTransport

/// The two versions of control groups: cgroups(7).
enum GroupVersion: Sendable {
  /// Each controller may have a hierarchy of its own.
  case one
  /// One hierarchy for all controllers.
  case two
}

/// A controller of control groups that limits need, or that counts what a command uses. This type
/// knows the names and formats of its files in both versions (the kernel's
/// admin-guide/cgroup-v1 and admin-guide/cgroup-v2).
enum Controller: CaseIterable, Sendable {
  case memory
  case processes
  case cpu
  /// Counts processor time in version 1; in version 2 `cpu` does that.
  case accounting
  case io

  /// A file of a group and the text to write to it.
  struct Setting: Equatable {
    var file: String
    var text: String
    /// Whether the limit does not hold without it. The other files exist on some systems only.
    var isNeeded = true
  }

  /// The controller's name in cgroup.controllers, /proc/self/cgroup and the options of a mount. Nil
  /// if this version does not have it.
  func name(in version: GroupVersion) -> String? {
    switch (self, version) {
    case (.memory, _): "memory"
    case (.processes, _): "pids"
    case (.cpu, _): "cpu"
    case (.accounting, .one): "cpuacct"
    case (.accounting, .two): nil
    case (.io, .one): "blkio"
    case (.io, .two): "io"
    }
  }

  /// The limit that this controller enforces; nil if it only counts.
  var limit: ResourceLimit.Kind? {
    switch self {
    case .memory: .treeMemoryBytes
    case .processes: .treeProcesses
    case .cpu: .treeCPUMilli
    case .accounting, .io: nil
    }
  }

  /// The time for which the limit of processor time is reckoned, in microseconds: the default of
  /// the kernel.
  private static let period: UInt64 = 100_000

  /// What to write, in this order, so that the group gets the limit `value`.
  func settings(limit value: UInt64, in version: GroupVersion) -> [Setting] {
    switch (self, version) {
    case (.memory, .one):
      // Memory first: memory and swap together may not be limited to less than memory.
      [
        Setting(file: "memory.limit_in_bytes", text: "\(value)"),
        Setting(file: "memory.memsw.limit_in_bytes", text: "\(value)", isNeeded: false),
      ]
    case (.memory, .two):
      [
        Setting(file: "memory.max", text: "\(value)"),
        Setting(file: "memory.swap.max", text: "0", isNeeded: false),
      ]
    case (.processes, _): [Setting(file: "pids.max", text: "\(value)")]
    case (.cpu, .one):
      [
        Setting(file: "cpu.cfs_period_us", text: "\(Self.period)"),
        Setting(file: "cpu.cfs_quota_us", text: "\(Self.quota(value))"),
      ]
    case (.cpu, .two): [Setting(file: "cpu.max", text: "\(Self.quota(value)) \(Self.period)")]
    case (.accounting, _), (.io, _): []
    }
  }

  /// The processor time in a period for `milli` thousandths of a processor, in microseconds.
  private static func quota(_ milli: UInt64) -> UInt64 { milli * period / 1_000 }

  /// Adds to `usage` what this controller has counted.
  ///
  /// - Parameter read: returns the text of a file of the group; nil if there is no such file.
  func count(in version: GroupVersion, into usage: inout GroupUsage, read: (String) -> String?) {
    func number(_ file: String) -> UInt64? { read(file).flatMap(Self.number) }
    func value(_ key: String, _ file: String) -> UInt64? {
      read(file).flatMap { Self.value(key, in: $0) }
    }
    switch (self, version) {
    case (.memory, .one):
      usage.memoryLimit = number("memory.limit_in_bytes").flatMap(Self.limited)
      usage.memoryPeak = number("memory.max_usage_in_bytes")
      usage.outOfMemoryKills = value("oom_kill", "memory.oom_control")
    case (.memory, .two):
      usage.memoryLimit = number("memory.max")
      usage.memoryPeak = number("memory.peak")
      usage.outOfMemoryKills = value("oom_kill", "memory.events")
    case (.processes, _):
      usage.processLimit = number("pids.max")
      usage.processLimitHits = value("max", "pids.events")
    case (.cpu, .one):
      usage.throttledMicroseconds = value("throttled_time", "cpu.stat").map { $0 / 1_000 }
    case (.cpu, .two):
      usage.cpuMicroseconds = value("usage_usec", "cpu.stat")
      usage.throttledMicroseconds = value("throttled_usec", "cpu.stat")
    case (.accounting, .one): usage.cpuMicroseconds = number("cpuacct.usage").map { $0 / 1_000 }
    case (.accounting, .two): break
    case (.io, .one):
      let text =
        read("blkio.throttle.io_service_bytes_recursive")
        ?? read("blkio.throttle.io_service_bytes")
      usage.readBytes = text.map { Self.sum("Read", in: $0) }
      usage.writtenBytes = text.map { Self.sum("Write", in: $0) }
    case (.io, .two):
      let text = read("io.stat")
      usage.readBytes = text.map { Self.sum(prefixed: "rbytes=", in: $0) }
      usage.writtenBytes = text.map { Self.sum(prefixed: "wbytes=", in: $0) }
    }
  }

  /// The number in a file that has only that. Nil for `max`, which means no limit.
  private static func number(_ text: String) -> UInt64? {
    text.split(separator: "\n").first.flatMap { UInt64($0) }
  }

  /// Version 1 shows "no limit" as the largest multiple of the size of a page below 2^63.
  private static func limited(_ bytes: UInt64) -> UInt64? { bytes < 1 << 62 ? bytes : nil }

  /// The number after `key` in a text of lines `key number`.
  private static func value(_ key: String, in text: String) -> UInt64? {
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == key { return UInt64(words[1]) }
    }
    return nil
  }

  /// The sum of the numbers in lines `8:0 key number`.
  private static func sum(_ key: String, in text: String) -> UInt64 {
    text.split(separator: "\n").reduce(0) { sum, line in
      let words = line.split(separator: " ")
      return words.count == 3 && words[1] == key ? sum &+ (UInt64(words[2]) ?? 0) : sum
    }
  }

  /// The sum of the numbers after `prefix` in lines `8:0 rbytes=1 wbytes=2`.
  private static func sum(prefixed prefix: String, in text: String) -> UInt64 {
    text.split(whereSeparator: { $0 == "\n" || $0 == " " }).reduce(0) { sum, word in
      word.hasPrefix(prefix) ? sum &+ (UInt64(word.dropFirst(prefix.count)) ?? 0) : sum
    }
  }
}
