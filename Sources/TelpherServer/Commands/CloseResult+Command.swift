internal import TelpherCommand
internal import TelpherTransport
internal import TelpherWire

extension CloseResult {
  /// The result of a command that could not be launched.
  init(_ failure: SpawnError) {
    self.init(.notStarted, message: failure.message)
    errno = failure.errno
    stage = failure.stage.rawValue
  }

  /// The result of a command whose process has exited.
  ///
  /// - Parameters:
  ///   - reason: why the server ended the command; nil if it ended by itself.
  ///   - group: what its control group with limits has counted, if it has one.
  init(
    _ exit: ProcessExit, endedFor reason: CommandState.Reason?, limits: CommandLimits,
    group: GroupUsage?
  ) {
    self.init(.exited)
    switch exit.status {
    case .exited(let code):
      self.code = code
    case .signaled(let signal, let coreDumped):
      result = .signaled
      self.signal = signal
      if coreDumped { self.coreDumped = true }
    }
    if let reason {
      setReason(reason, limits)
    } else if let death = LimitDeath(exit, limits: limits.resources, group: group) {
      cause = death.cause
      message = death.message
    }
    rusage = Usage(exit.usage)
    self.group = group.map { Group($0) }
  }

  /// The result of a command that the server tried to end for `reason`, but whose process did not
  /// end after SIGKILL.
  init(unendedFor reason: CommandState.Reason, limits: CommandLimits) {
    self.init(.canceled)
    setReason(reason, limits)
    let end = "its process did not end after SIGKILL"
    message = message.map { "\($0); \(end)" } ?? end
  }

  /// The result of a command that was ended for `reason` before it had started.
  init(neverStartedFor reason: CommandState.Reason, limits: CommandLimits) {
    self.init(.canceled)
    setReason(reason, limits)
    let end = "the command had not started yet"
    message = message.map { "\($0); \(end)" } ?? end
  }

  /// The limits of a command: times in milliseconds, and of resources.
  struct CommandLimits {
    let deadlineMS: Int64?
    let keptMS: Int64
    let resources: [ResourceLimit]
  }

  private mutating func setReason(_ reason: CommandState.Reason, _ limits: CommandLimits) {
    switch reason {
    case .deadline:
      result = .timedOut
      cause = .deadline
      message = "ended at its deadline of \(limits.deadlineMS ?? 0) ms"
    case .canceled:
      result = .canceled
      cause = .canceled
    case .disconnected:
      result = .canceled
      cause = .disconnected
      message = "the connection of its client was lost"
    case .shutdown:
      result = .canceled
      cause = .shutdown
      message = "the server is ending"
    case .expired:
      result = .canceled
      cause = .expired
      message = "no client attached for \(limits.keptMS) ms (limit max_detached_ms)"
    }
  }
}

extension CloseResult.Usage {
  /// Converts the usage to the units of the protocol.
  init(_ usage: ResourceUsage) {
    self.init(
      userMS: Double(usage.userMicroseconds) / 1_000,
      systemMS: Double(usage.systemMicroseconds) / 1_000, maxRSSKiB: usage.maxResidentKiB,
      minorFaults: usage.minorFaults, majorFaults: usage.majorFaults,
      voluntarySwitches: usage.voluntarySwitches, involuntarySwitches: usage.involuntarySwitches)
  }
}

extension CloseResult.Group {
  /// Converts what a group has counted to the units of the protocol.
  init(_ usage: GroupUsage) {
    self.init()
    memoryLimit = usage.memoryLimit
    memoryPeak = usage.memoryPeak
    outOfMemoryKills = usage.outOfMemoryKills
    processLimit = usage.processLimit
    processLimitHits = usage.processLimitHits
    cpuMS = usage.cpuMicroseconds.map { Double($0) / 1_000 }
    throttledMS = usage.throttledMicroseconds.map { Double($0) / 1_000 }
    readBytes = usage.readBytes
    writtenBytes = usage.writtenBytes
  }
}
