internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

extension ResourceLimit.Kind {
  /// The resource number of getrlimit(2). Nil if it is not a limit of getrlimit(2).
  fileprivate var resource: Int32? {
    switch self {
    case .cpuSeconds: telpher_limit_cpu
    case .memoryBytes: telpher_limit_as
    case .fileBytes: telpher_limit_fsize
    case .openFiles: telpher_limit_nofile
    case .processes: telpher_limit_nproc
    case .coreBytes: telpher_limit_core
    case .nice, .treeMemoryBytes, .treeProcesses, .treeCPUMilli: nil
    }
  }
}

extension ResourceLimit {
  /// The limit for prlimit(2). Nil if it is another kind of limit.
  ///
  /// A process that has used up its processor time gets SIGXCPU at the soft limit, which says why
  /// it ends, and SIGKILL at the hard one. So the hard limit is one second more, if this process's
  /// own hard limit allows that.
  var forProcess: telpher_limit? {
    guard let resource = kind.resource else { return nil }
    var hard = value
    if kind == .cpuSeconds, value < .max {
      var own: (soft: UInt64, hard: UInt64) = (0, 0)
      let isKnown = telpher_get_limit(resource, &own.soft, &own.hard) == 0
      hard = isKnown ? max(value, min(value + 1, own.hard)) : value
    }
    return telpher_limit(resource: resource, soft: value, hard: hard)
  }
}

extension SpawnRequest {
  /// The limits of which the system has refused one, in words. It refuses those above this process's
  /// own hard limit.
  var limitsThatFailed: String {
    for limit in limits {
      var own: (soft: UInt64, hard: UInt64) = (0, 0)
      if let wanted = limit.forProcess,
        telpher_get_limit(wanted.resource, &own.soft, &own.hard) == 0, wanted.hard > own.hard
      {
        let most = ResourceLimit(limit.kind, own.hard).valueText
        return
          "the limit \(limit.kind.optionName) to \(limit.valueText), above the server's own hard limit of \(most)"
      }
    }
    let all = limits.map { "\($0.kind.optionName) to \($0.valueText)" }
    return all.isEmpty ? "a limit" : "the limits " + all.joined(separator: ", ")
  }
}

extension [ResourceLimit] {
  /// The niceness to set: this process's and what the limits add. Nil if they add none.
  var niceness: Int32? {
    guard let nice = first(where: { $0.kind == .nice }) else { return nil }
    return getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) + Int32(clamping: nice.value)
  }

  /// Sets the limits of the process `pid`, which has stopped before it executes its program, except
  /// those that hold for its whole tree.
  ///
  /// - Returns: 0, or the errno of the limit that the system refused.
  func set(on pid: Int32) -> Int32 {
    for limit in compactMap(\.forProcess) {
      let result = telpher_set_limit(pid, limit.resource, limit.soft, limit.hard)
      guard result == 0 else { return -result }
    }
    if let niceness,
      setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(pid), niceness) != 0
    {
      return errno
    }
    return 0
  }
}
