internal import TelpherTransport
internal import TelpherWire

extension CloseResult {
  /// The result of a command that could not be launched.
  init(_ failure: SpawnError) {
    self.init(.notStarted, message: failure.message)
    errno = failure.errno
    stage = failure.stage.rawValue
  }

  /// The result of a command whose process ended with `exit`, and that was ended for `reason`, if it
  /// was.
  init(_ exit: ProcessExit, endedFor reason: CommandState.Reason?, deadlineMS: Int64?) {
    self.init(.exited)
    switch exit.status {
    case .exited(let code):
      self.code = code
    case .signaled(let signal, let coreDumped):
      result = .signaled
      self.signal = signal
      if coreDumped { self.coreDumped = true }
    }
    switch reason {
    case .deadline:
      result = .timedOut
      message = "ended at its deadline of \(deadlineMS ?? 0) ms"
    case .canceled, .disconnected: result = .canceled
    case .shutdown:
      result = .canceled
      message = "the server is ending"
    case nil: break
    }
    rusage = Usage(exit.usage)
  }
}

extension CloseResult.Usage {
  /// The usage in the wire's units.
  init(_ usage: ResourceUsage) {
    self.init(
      userMS: Double(usage.userMicroseconds) / 1_000,
      systemMS: Double(usage.systemMicroseconds) / 1_000, maxRSSKiB: usage.maxResidentKiB,
      minorFaults: usage.minorFaults, majorFaults: usage.majorFaults,
      voluntarySwitches: usage.voluntarySwitches, involuntarySwitches: usage.involuntarySwitches)
  }
}
