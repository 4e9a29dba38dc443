internal import TelpherClient

/// How a transfer ended.
enum TransferOutcome {
  /// The transfer ran to its end; some entries may have failed.
  case finished(TransferReport)
  /// This signal stopped the transfer, at this progress.
  case interrupted(Int32, TransferProgress)
  /// The transfer as a whole failed: nothing was stored.
  case failed(FileError)
  /// Telpher or the connection failed.
  case broken(Failure)

  /// Makes the outcome from the result and the signal, at least one of which is given.
  init(
    _ result: Result<TransferReport, any Error>?, signal: Int32?, at progress: TransferProgress
  ) {
    switch (result, signal) {
    case (.success(let report), _): self = .finished(report)
    case (_, let signal?): self = .interrupted(signal, progress)
    case (.failure(let error as FileError), nil) where error.code != .protocolError:
      self = .failed(error)
    case (.failure(let error), nil): self = .broken(Failure(error))
    case (nil, nil): preconditionFailure("a transfer without a signal has a result")
    }
  }

  /// The exit status of the process.
  var status: Int32 {
    switch self {
    case .finished(let report): report.isComplete ? 0 : ExitStatus.filesFailed
    case .interrupted(let signal, _): ExitStatus.signalBase + signal
    case .failed: ExitStatus.filesFailed
    case .broken(let failure): failure.status
    }
  }

  /// The counts of the entries; all zero if the transfer did not run to its end.
  var counts: TreeCounts {
    if case .finished(let report) = self { return report.counts }
    return TreeCounts()
  }

  /// The greatest number of failures that are listed.
  static let listedFailures = 20

  /// A line for each listed failure, and one line for the number of the others.
  static func lines(of failures: [TransferFailure], count: Int) -> [String] {
    let listed = failures.prefix(listedFailures)
    let rest = count - listed.count
    return listed.map(\.line) + (rest > 0 ? ["and \(rest) more failures"] : [])
  }

  /// The lines for standard error.
  var complaints: [String] {
    switch self {
    case .finished(let report):
      return Self.lines(
        of: report.failures, count: max(report.counts.failed, report.failures.count))
    case .interrupted(_, let progress):
      guard !progress.path.isEmpty, progress.pathBytes > 0 else { return ["interrupted"] }
      return [
        "interrupted: up to \(Amount.bytes(progress.pathBytes)) of '\(progress.path)' are kept; run the same command with --resume to continue"
      ]
    case .failed(let error):
      let line = TransferFailure(path: error.path ?? "", message: error.message).line
      return [error.code == .noParent ? line + "; --parents makes it" : line]
    case .broken(let failure): return failure.isSilent ? [] : [failure.message]
    }
  }
}

extension TransferFailure {
  /// One line that names the path, with control characters escaped: the text may be the server's.
  var line: String {
    let text = path.isEmpty || message.contains("'\(path)'") ? message : "\(path): \(message)"
    return PathText(text).shown(escapingBackslashes: false)
  }
}

extension FileError {
  /// The same error, with advice for the user at the end of the message.
  func advising(_ advice: String) -> FileError {
    FileError(code, "\(message); \(advice)", errno: errno, path: path)
  }
}
