internal import Logging
internal import TelpherTransport

/// Logs refused clients and faults of peers, at most `LogBudget.lines` per period, and then how
/// many lines it left out. Without the limit any client could fill the disk with log lines. Use it
/// only on its loop's thread.
final class RefusalLog {
  private let logger: Logger
  private let loop: any EventLoop
  private var budget = LogBudget()

  init(_ logger: Logger, loop: any EventLoop) {
    self.logger = logger
    self.loop = loop
  }

  /// Logs a line, or only counts it if the period's lines are used up.
  func record(_ message: Logger.Message, _ metadata: Logger.Metadata) {
    switch budget.admit() {
    case .log(let startsPeriod):
      if startsPeriod { schedule() }
      logger.warning(message, metadata: metadata)
    case .leaveOut: break
    }
  }

  private func schedule() {
    _ = loop.schedule(after: LogBudget.period) { [weak self] in self?.periodDidEnd() }
  }

  private func periodDidEnd() {
    let left = budget.periodDidEnd()
    guard left > 0 else { return }
    logger.warning(
      "left out log lines about refused clients",
      metadata: ["count": "\(left)", "seconds": "\(LogBudget.period / 1_000_000_000)"])
  }
}

/// Limits how many lines are logged in a period.
struct LogBudget {
  /// Lines in a period: enough to see what is happening.
  static let lines = 10
  /// The length of a period, in nanoseconds.
  static let period: UInt64 = 10_000_000_000

  /// What to do with a line.
  enum Decision: Equatable {
    /// Log it. If it starts a period, call `periodDidEnd()` after `period`.
    case log(startsPeriod: Bool)
    /// Do not log it; it was counted.
    case leaveOut
  }

  private var logged = 0
  private var leftOut = 0

  /// Counts a line and says whether to log it.
  mutating func admit() -> Decision {
    guard logged < Self.lines else {
      leftOut += 1
      return .leaveOut
    }
    logged += 1
    return .log(startsPeriod: logged == 1)
  }

  /// Ends the period.
  ///
  /// - Returns: how many lines were left out in it.
  mutating func periodDidEnd() -> Int {
    defer { (logged, leftOut) = (0, 0) }
    return leftOut
  }
}
