internal import TelpherFleet

/// How this program presents the final record of a job: its exit status and its messages.
enum FleetOutcome {
  /// The job was canceled.
  static let canceled: Int32 = 120
  /// It is unknown how the job ended: it is `lost`, or was started as often as it may be.
  static let lost: Int32 = 121
  /// The job can't run.
  static let dead: Int32 = 122
  /// No worker took the job in time.
  static let expired: Int32 = 123

  /// The exit status for a record: 0 if and only if the command exited with 0.
  static func status(for record: FinalRecord) -> Int32 {
    switch record.outcome {
    case .ended(let end): status(for: end)
    case .canceled: canceled
    case .lost, .exhausted: lost
    case .dead: dead
    case .expired: expired
    }
  }

  private static func status(for end: JobEnd) -> Int32 {
    switch end.status {
    case .exited: end.code ?? ExitStatus.failure
    case .signaled: ExitStatus.signalBase + (end.signal ?? 0)
    case .timedOut: ExitStatus.timedOut
    case .canceled: canceled
    case .notStarted:
      switch end.errno {
      case Int32(2): ExitStatus.notFound
      case .some(let number) where number != 0: ExitStatus.notExecutable
      default: ExitStatus.failure
      }
    }
  }

  /// The message that explains a record; nil if the command exited by itself.
  static func explanation(of record: FinalRecord) -> String? {
    let reason = record.outcome.reason.map { ": \($0)" } ?? ""
    switch record.outcome {
    case .ended(let end):
      switch end.status {
      case .exited: return nil
      case .signaled: return "the job was ended by signal \(end.signal ?? 0)\(limit(end))"
      case .timedOut: return "the job was ended at its deadline"
      case .canceled: return "the job was canceled"
      case .notStarted: return "the job could not be started\(reason)"
      }
    case .canceled(nil): return "the job was canceled before its start"
    case .canceled: return "the job was canceled"
    case .lost: return "the job is lost\(reason). It may have run in whole or in part"
    case .exhausted: return "the job was lost in each of its attempts\(reason)"
    case .dead: return "the job can't run\(reason)"
    case .expired: return "no worker started the job in time"
    }
  }

  private static func limit(_ end: JobEnd) -> String {
    guard let cause = end.cause, cause != "signal" else { return "" }
    return " (\(cause.replacing("_", with: " ")))"
  }

  /// The state of a job in a few words, for tables.
  static func state(of status: FleetClient.Status) -> String {
    guard case .ended(let end)? = status.final?.outcome else { return status.state }
    switch end.status {
    case .exited: return "exited \(end.code ?? 0)"
    case .signaled: return "signal \(end.signal ?? 0)"
    case .timedOut: return "timed out"
    case .canceled: return "canceled"
    case .notStarted: return "not started"
    }
  }
}
