internal import TelpherClient

/// How a transfer ended.
enum TransferOutcome {
  /// It went through; entries may have failed.
  case finished(TransferReport)
  /// This signal stopped it, when it was so far.
  case interrupted(Int32, TransferProgress)
  /// Nothing could be stored or sent.
  case failed(FileError)
  /// Telpher failed, or the connection.
  case broken(Failure)

  /// What a transfer came to that a signal may have stopped.
  init(
    _ result: Result<TransferReport, any Error>?, signal: Int32?, at progress: TransferProgress
  ) {
    switch (result, signal) {
    case (.success(let report), _): self = .finished(report)
    case (_, let signal?): self = .interrupted(signal, progress)
    case (.failure(let error as FileError), nil) where error.code != .protocolError:
      self = .failed(error)
    case (.failure(let error), nil): self = .broken(Failure(error))
    case (nil, nil): preconditionFailure("a transfer that nobody stopped ends")
    }
  }

  /// What the process ends with.
  var status: Int32 {
    switch self {
    case .finished(let report): report.isComplete ? 0 : ExitStatus.filesFailed
    case .interrupted(let signal, _): ExitStatus.signalBase + signal
    case .failed: ExitStatus.filesFailed
    case .broken: ExitStatus.failure
    }
  }

  /// What became of the entries; nothing where that was not told.
  var counts: TreeCounts {
    if case .finished(let report) = self { return report.counts }
    return TreeCounts()
  }

  /// Failures of which each has a line.
  static let toldFailures = 20

  /// Lines of the first of `count` failures.
  static func lines(of failures: [TransferFailure], count: Int) -> [String] {
    let told = failures.prefix(toldFailures)
    let rest = count - told.count
    return told.map(\.line) + (rest > 0 ? ["and \(rest) more"] : [])
  }

  /// What there is to complain of, by lines.
  var complaints: [String] {
    switch self {
    case .finished(let report):
      return Self.lines(
        of: report.failures, count: max(report.counts.failed, report.failures.count))
    case .interrupted(_, let progress):
      guard !progress.path.isEmpty, progress.pathBytes > 0 else { return ["interrupted"] }
      return [
        "interrupted: up to \(Amount.bytes(progress.pathBytes)) of '\(progress.path)' are kept; run the same command with --resume to go on"
      ]
    case .failed(let error):
      let line = TransferFailure(path: error.path ?? "", message: error.message).line
      return [error.code == .noParent ? line + "; --parents makes it" : line]
    case .broken(let failure): return [failure.message]
    }
  }
}

extension TransferFailure {
  /// One line that names the path. The words may be the server's, who is not to move the cursor.
  var line: String {
    let text = path.isEmpty || message.contains("'\(path)'") ? message : "\(path): \(message)"
    return PathText(text).shown(escapingBackslashes: false)
  }
}
