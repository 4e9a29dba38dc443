internal import Logging
internal import TelpherTransport

/// The log of what strangers do: a few lines of it, and the number of those that were left out. A
/// stranger could fill the disk of the log otherwise. On its loop's thread only.
final class RefusalLog {
  private let logger: Logger
  private let loop: any EventLoop
  private var budget = LogBudget()

  init(_ logger: Logger, loop: any EventLoop) {
    self.logger = logger
    self.loop = loop
  }

  /// Logs a line, unless there were too many lately.
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
      "left out lines about clients that were turned away",
      metadata: ["count": "\(left)", "seconds": "\(LogBudget.period / 1_000_000_000)"])
  }
}

/// How many lines may be logged in a time.
struct LogBudget {
  /// Lines in a period: enough to see what goes on.
  static let lines = 10
  /// The length of a period, in nanoseconds.
  static let period: UInt64 = 10_000_000_000

  /// What to do with a line.
  enum Decision: Equatable {
    /// Log it. If it starts a period, call `periodDidEnd()` after that time.
    case log(startsPeriod: Bool)
    /// Don't; it was counted.
    case leaveOut
  }

  private var logged = 0
  private var leftOut = 0

  /// A line is to be logged.
  mutating func admit() -> Decision {
    guard logged < Self.lines else {
      leftOut += 1
      return .leaveOut
    }
    logged += 1
    return .log(startsPeriod: logged == 1)
  }

  /// The period is over.
  ///
  /// - Returns: how many lines were left out in it.
  mutating func periodDidEnd() -> Int {
    defer { (logged, leftOut) = (0, 0) }
    return leftOut
  }
}
