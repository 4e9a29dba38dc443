internal import ArgumentParser
internal import TelpherTransport

/// The limits of a command: the options that `run`, `on` and `shell` share.
struct LimitOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The most memory of the command with all its processes, such as 512M or 1.5G.",
      discussion: """
        If they need more, the kernel kills one of them. A server without control groups for that \
        refuses the command; see 'enforceable limits' in the output of 'telpher info'.
        """,
      valueName: "size"),
    transform: { try LimitArgument.parse(.treeMemoryBytes, $0) })
  var memory: ResourceLimit?

  @Option(
    help: ArgumentHelp(
      "How many processors the command with all its processes may use, such as 1.5.",
      discussion: "Needs control groups, as --memory does.", valueName: "n"),
    transform: { try LimitArgument.parse(.treeCPUMilli, $0) })
  var cpus: ResourceLimit?

  @Option(
    help: ArgumentHelp(
      "The most processes and threads that the command may have at a time.",
      discussion: "Needs control groups, as --memory does.", valueName: "n"),
    transform: { try LimitArgument.parse(.treeProcesses, $0) })
  var pids: ResourceLimit?

  @Option(
    help: ArgumentHelp(
      "Runs the command with a lower priority, by 0 to 19, as nice(1) does.", valueName: "n"),
    transform: { try LimitArgument.parse(.nice, $0) })
  var nice: ResourceLimit?

  @Option(
    help: ArgumentHelp("The most files that each process may have open.", valueName: "n"),
    transform: { try LimitArgument.parse(.openFiles, $0) })
  var openFiles: ResourceLimit?

  @Option(
    help: ArgumentHelp("The largest file that a process may write.", valueName: "size"),
    transform: { try LimitArgument.parse(.fileBytes, $0) })
  var fileSize: ResourceLimit?

  @Option(
    help: ArgumentHelp(
      "The processor time of each process: whole seconds, rounded up.", valueName: "duration"),
    transform: { try LimitArgument.parse(.cpuSeconds, $0) })
  var cpuTime: ResourceLimit?

  @Option(
    help: ArgumentHelp(
      "The most address space of each process.",
      discussion: """
        This works on every server. It does not bound the command as a whole, and programs that \
        reserve much more than they use (Go, Java, node) may not start.
        """,
      valueName: "size"),
    transform: { try LimitArgument.parse(.memoryBytes, $0) })
  var addressSpace: ResourceLimit?

  /// The limits that were given, in the order of their names.
  var limits: [ResourceLimit] {
    Self.sorted(
      [memory, cpus, pids, nice, openFiles, fileSize, cpuTime, addressSpace].compactMap(\.self))
  }

  /// The limits in the order of their names.
  static func sorted(_ limits: [ResourceLimit]) -> [ResourceLimit] {
    limits.sorted { $0.kind.rawValue < $1.kind.rawValue }
  }

  /// The limit that `option` sets, for `QuickCommand`; nil if it is another option.
  static func kind(of option: String) -> ResourceLimit.Kind? {
    let kinds: [ResourceLimit.Kind] = [
      .treeMemoryBytes, .treeCPUMilli, .treeProcesses, .nice, .openFiles, .fileBytes, .cpuSeconds,
      .memoryBytes,
    ]
    for kind in kinds where option == "--\(kind.optionName)" { return kind }
    return nil
  }
}
