/// A limit for a command. The server sets it before the program starts.
///
/// Limits of getrlimit(2) hold for each process by itself: a command of ten processes may use ten
/// times as much. The limits whose names begin with `tree` hold for all processes of the command
/// together. They need control groups (cgroups(7)), and a server that has none refuses them.
///
///     var command = Command("make", "-j8")
///     command.limits = [ResourceLimit(.treeMemoryBytes, 512 << 20), ResourceLimit(.nice, 10)]
public struct ResourceLimit: Sendable, Equatable {
  /// What is limited. The raw value is the name in the protocol.
  public enum Kind: String, Sendable, CaseIterable {
    /// Processor time of each process in seconds (RLIMIT_CPU). It gets SIGXCPU at the limit, and
    /// SIGKILL one second later.
    case cpuSeconds = "cpu_s"
    /// Address space of each process in bytes (RLIMIT_AS).
    case memoryBytes = "memory_bytes"
    /// The size in bytes of a file that a process writes (RLIMIT_FSIZE).
    case fileBytes = "file_bytes"
    /// Open descriptors of each process (RLIMIT_NOFILE).
    case openFiles = "open_files"
    /// Processes of the server's user, also those that have nothing to do with the command
    /// (RLIMIT_NPROC). It does not hold for root.
    case processes = "processes"
    /// The size of a core file in bytes (RLIMIT_CORE).
    case coreBytes = "core_bytes"
    /// How much lower than the server's the priority is: 0 to 19, as for nice(1).
    case nice = "nice"
    /// Memory and swap of all processes of the command together, in bytes. If they need more, the
    /// kernel kills one of them.
    case treeMemoryBytes = "tree_memory_bytes"
    /// The number of processes and threads of the command. A further fork(2) fails with EAGAIN.
    case treeProcesses = "tree_processes"
    /// Processor time of all processes of the command together, in thousandths of a processor: 1500
    /// is one and a half.
    case treeCPUMilli = "tree_cpu_milli"
  }
  /// What is limited.
  public var kind: Kind
  /// The limit, in the unit of its kind.
  public var value: UInt64

  /// A limit of `value`.
  public init(_ kind: Kind, _ value: UInt64) {
    self.kind = kind
    self.value = value
  }
}

extension ResourceLimit.Kind {
  /// The limits that every server on Linux can enforce: those of getrlimit(2), and the niceness.
  package static let ofProcesses: Set<Self> = [
    .cpuSeconds, .memoryBytes, .fileBytes, .openFiles, .processes, .coreBytes, .nice,
  ]

  /// Whether the limit holds for all processes of a command together and needs a control group.
  package var isOfTree: Bool { !Self.ofProcesses.contains(self) }

  /// The name of the limit on the command line: `telpher run --NAME`, `telpher serve --limit NAME=`.
  package var optionName: String {
    switch self {
    case .cpuSeconds: "cpu-time"
    case .memoryBytes: "address-space"
    case .fileBytes: "file-size"
    case .openFiles: "open-files"
    case .processes: "user-processes"
    case .coreBytes: "core-size"
    case .nice: "nice"
    case .treeMemoryBytes: "memory"
    case .treeProcesses: "pids"
    case .treeCPUMilli: "cpus"
    }
  }

  /// Whether the value is a number of bytes.
  package var isBytes: Bool {
    switch self {
    case .memoryBytes, .fileBytes, .coreBytes, .treeMemoryBytes: true
    case .cpuSeconds, .openFiles, .processes, .nice, .treeProcesses, .treeCPUMilli: false
    }
  }
}

extension ResourceLimit {
  /// Whether this limit leaves a command more than `other`, a limit of the same kind, does.
  package func allowsMore(than other: ResourceLimit) -> Bool {
    kind == .nice ? value < other.value : value > other.value
  }

  /// The value for the user, as it is written on the command line: `512 MiB`, `1.5`, `10 s`.
  package var valueText: String {
    if kind.isBytes { return Self.bytes(value) }
    switch kind {
    case .cpuSeconds: return "\(value) s"
    case .treeCPUMilli:
      let thousandths = value % 1_000
      guard thousandths > 0 else { return "\(value / 1_000)" }
      var digits = String(String(1_000 + thousandths).dropFirst())
      while digits.last == "0" { digits.removeLast() }
      return "\(value / 1_000).\(digits)"
    default: return "\(value)"
    }
  }

  /// A number of bytes in powers of 1024, exact or with one decimal: `512 MiB`, `1.5 GiB`, `100 B`.
  package static func bytes(_ count: UInt64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var unit = 0
    while unit < units.count - 1, count >> (10 * UInt64(unit + 1)) > 0 { unit += 1 }
    let size = UInt64(1) << (10 * UInt64(unit))
    let tenths = (count % size).multipliedFullWidth(by: 10)
    let tenth = size.dividingFullWidth(tenths).quotient
    return "\(count / size)\(tenth > 0 ? ".\(tenth)" : "") \(units[unit])"
  }
}
