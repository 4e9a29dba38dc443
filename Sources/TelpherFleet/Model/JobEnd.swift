package import TelpherClient

/// How a job's command ended, as its worker saw it. Times are of the worker's clock.
package struct JobEnd: Sendable, Equatable, Codable {
  /// The ways in which a command can end.
  package enum Status: String, Sendable, Codable {
    /// It exited with `code`.
    case exited
    /// The signal `signal` ended it.
    case signaled
    /// It was ended at its deadline.
    case timedOut = "timed_out"
    /// It was ended because someone asked for that.
    case canceled
    /// It could not be started: `errno` and `message`.
    case notStarted = "not_started"
  }

  /// How it ended.
  package var status: Status
  /// The exit code, 0 to 255, if it exited.
  package var code: Int32?
  /// The signal, if one ended it.
  package var signal: Int32?
  /// The error number, if it could not be started.
  package var errno: Int32?
  /// Why it could not be started.
  package var message: String?
  /// More than `status` says, if a limit ended it: a name as in `telpher run --json`.
  package var cause: String?
  /// The bytes of standard output and standard error.
  package var outputBytes: UInt64
  package var errorBytes: UInt64
  /// When its worker started it and saw its end, in milliseconds since 1970.
  package var startedMS: Int64
  package var endedMS: Int64

  private enum CodingKeys: String, CodingKey {
    case status = "result"
    case code, signal, errno, message, cause
    case outputBytes = "output_bytes"
    case errorBytes = "error_bytes"
    case startedMS = "started_ms"
    case endedMS = "ended_ms"
  }

  /// An end.
  package init(
    _ status: Status, code: Int32? = nil, signal: Int32? = nil, startedMS: Int64, endedMS: Int64
  ) {
    self.status = status
    self.code = code
    self.signal = signal
    (outputBytes, errorBytes) = (0, 0)
    self.startedMS = startedMS
    self.endedMS = endedMS
  }

  /// The end that a server reports; nil if the command continues.
  package init?(_ result: CommandResult, startedMS: Int64, endedMS: Int64) {
    switch result.status {
    case .exited(let code):
      self.init(.exited, code: code, startedMS: startedMS, endedMS: endedMS)
    case .signaled(let signal):
      self.init(.signaled, signal: signal, startedMS: startedMS, endedMS: endedMS)
    case .timedOut: self.init(.timedOut, startedMS: startedMS, endedMS: endedMS)
    case .canceled: self.init(.canceled, startedMS: startedMS, endedMS: endedMS)
    case .notStarted(let errno, _, let message):
      self.init(.notStarted, startedMS: startedMS, endedMS: endedMS)
      self.errno = errno
      self.message = String(message.prefix(FleetLimits.maxReasonLength))
    case .detached: return nil
    }
    cause = result.cause.description
    outputBytes = result.outputCount
    errorBytes = result.errorCount
  }

  /// Whether it exited with 0.
  package var isSuccess: Bool { status == .exited && code == 0 }
}

extension JobEnd {
  /// What is wrong with an end from a broker; nil if nothing is. So a damaged record is never read as
  /// success.
  var fault: String? {
    switch status {
    case .exited:
      code.map { (0...255).contains($0) } == true && signal == nil ? nil : "its code is missing"
    case .signaled:
      signal.map { (1...126).contains($0) } == true && code == nil ? nil : "its signal is missing"
    case .timedOut, .canceled, .notStarted:
      code == nil && signal == nil ? nil : "it names two ways of ending"
    }
  }
}
