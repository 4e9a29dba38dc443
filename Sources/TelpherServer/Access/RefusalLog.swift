internal import Logging
internal import TelpherAccess
internal import TelpherTransport

/// A client that may not connect, or that has broken the protocol.
struct Refusal {
  /// Where it has connected from.
  let peer: PeerIdentity
  /// The reason, with details that the client does not get.
  let why: String
  /// The identity that it claims, if it claims one: fingerprints of keys, the names in a certificate, or
  /// the name of a known client.
  var tried: [String] = []
  /// Whether it had not authenticated yet. If it had, the audit records the end of its connection
  /// instead.
  var isStranger = true
}

/// Logs refused clients and faults of peers, at most `LogBudget.lines` per period, and then how
/// many lines it left out; the same for the audit. Without the limit any client could fill the disk.
/// Use it only on its loop's thread.
final class RefusalLog {
  private let logger: Logger
  private let audit: AuditLog?
  private let loop: any EventLoop
  private let period: UInt64
  private var budget = LogBudget()

  /// - Parameter period: the length of a period, in nanoseconds.
  init(
    _ logger: Logger, audit: AuditLog?, loop: any EventLoop, period: UInt64 = LogBudget.period
  ) {
    self.period = period
    self.logger = logger
    self.audit = audit
    self.loop = loop
  }

  /// Logs and records a refusal, or only counts it if the period's lines are used up.
  func record(_ message: Logger.Message, _ refusal: Refusal) {
    switch budget.admit() {
    case .log(let startsPeriod):
      if startsPeriod { schedule() }
      logger.warning(message, metadata: ["peer": "\(refusal.peer)", "why": "\(refusal.why)"])
      guard refusal.isStranger else { return }
      append(AuditRecord(refusedFrom: "\(refusal.peer)", refusal.why, tried: refusal.tried))
    case .leaveOut: break
    }
  }

  private func schedule() {
    _ = loop.schedule(after: period) { [weak self] in self?.periodDidEnd() }
  }

  private func periodDidEnd() {
    let left = budget.periodDidEnd()
    guard left > 0 else { return }
    let seconds = period / 1_000_000_000
    logger.warning(
      "left out log lines about refused clients",
      metadata: ["count": "\(left)", "seconds": "\(seconds)"])
    var record = AuditRecord(
      refusedFrom: "", "\(left) more clients were refused within \(seconds) s", tried: [])
    record.count = left
    append(record)
  }

  /// What can't be recorded is logged: a refusal needs no permission.
  private func append(_ record: AuditRecord) {
    guard let audit else { return }
    do throws(AuditLog.Failure) {
      try audit.append(record)
    } catch {
      logger.error("a refused client is not recorded", metadata: ["why": "\(error.message)"])
    }
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
