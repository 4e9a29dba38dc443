internal import Glibc
internal import TelpherTransport
internal import TelpherWire

/// The limit that ended a command, or because of which it failed.
struct LimitDeath: Equatable {
  /// The cause for CLOSE.
  var cause: CloseResult.Cause
  /// The sentence for the user.
  var message: String

  /// Finds the limit from how the command's process ended and what its control group has counted.
  /// Returns nil if the end has nothing to do with a limit.
  ///
  /// - Parameters:
  ///   - limits: the limits that the command ran with.
  ///   - group: what its control group has counted, if it has one.
  init?(_ exit: ProcessExit, limits: [ResourceLimit], group: GroupUsage?) {
    let signal: Int32? = if case .signaled(let signal, _) = exit.status { signal } else { nil }
    // Whatever a limit did to its processes, the command has succeeded.
    if case .exited(code: 0) = exit.status { return nil }
    func limit(_ kind: ResourceLimit.Kind) -> ResourceLimit? { limits.first { $0.kind == kind } }

    if let kills = group?.outOfMemoryKills, kills > 0 {
      let sizes = [("limit", group?.memoryLimit), ("peak", group?.memoryPeak)]
        .compactMap { name, value in value.map { "\(name) \(ResourceLimit.bytes($0))" } }
        .joined(separator: ", ")
      cause = .outOfMemory
      message =
        signal == SIGKILL
        ? "killed: out of memory (\(sizes))"
        : "out of memory (\(sizes)): the kernel killed \(kills) of its processes"
    } else if let limit = limit(.cpuSeconds),
      signal == SIGXCPU || (signal == SIGKILL && exit.usage.cpuSeconds >= limit.value)
    {
      cause = .cpuTime
      message = "killed: its processor time is used up (limit \(limit.valueText))"
    } else if let limit = limit(.fileBytes), signal == SIGXFSZ {
      cause = .fileSize
      message = "killed: it wrote a file beyond the largest size (limit \(limit.valueText))"
    } else if let hits = group?.processLimitHits, hits > 0, let limit = group?.processLimit {
      cause = .processLimit
      message = "the command reached its limit of \(limit) processes"
    } else {
      return nil
    }
  }
}

extension ResourceUsage {
  /// The whole seconds of processor time.
  fileprivate var cpuSeconds: UInt64 {
    UInt64(max(0, userMicroseconds + systemMicroseconds) / 1_000_000)
  }
}
