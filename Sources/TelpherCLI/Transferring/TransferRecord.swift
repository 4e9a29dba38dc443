internal import TelpherClient

/// The last record of `put --json` and `get --json`: the result of the whole transfer.
struct TransferRecord: Encodable {
  let outcome: TransferOutcome
  /// The duration.
  let seconds: Double

  private enum CodingKeys: String, CodingKey {
    case event, result, status, message, files, folders, links, skipped, failed, bytes, seconds
    case failures, changed, digests
    case omittedDigests = "digests_omitted"
  }

  private struct Failed: Encodable {
    var path: String
    var message: String
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode("result", forKey: .event)
    try container.encode(word, forKey: .result)
    try container.encode(outcome.status, forKey: .status)
    try container.encode(seconds, forKey: .seconds)
    switch outcome {
    case .finished(let report):
      let counts = report.counts
      try container.encode(counts.files, forKey: .files)
      try container.encode(counts.folders, forKey: .folders)
      try container.encode(counts.links, forKey: .links)
      try container.encode(counts.skipped, forKey: .skipped)
      try container.encode(counts.failed, forKey: .failed)
      try container.encode(counts.bytes, forKey: .bytes)
      try container.encode(counts.changed, forKey: .changed)
      try container.encode(
        report.files.map { FileRecord(report: $0, isEvent: false) }, forKey: .digests)
      let settled =
        counts.storedEntries.files + counts.skippedEntries.files + counts.failedEntries.files
      if settled > report.files.count {
        // The `file` events before this record have them all.
        try container.encode(settled - report.files.count, forKey: .omittedDigests)
      }
      try container.encode(
        report.failures.map { Failed(path: $0.path, message: $0.message) }, forKey: .failures)
    case .interrupted(_, let progress):
      try container.encode(progress.files, forKey: .files)
      try container.encode(progress.movedBytes, forKey: .bytes)
      try container.encodeIfPresent(outcome.complaints.first, forKey: .message)
    case .failed, .broken:
      try container.encodeIfPresent(outcome.complaints.first, forKey: .message)
    }
  }

  private var word: String {
    switch outcome {
    case .finished(let report): report.isComplete ? "complete" : "incomplete"
    case .interrupted: "interrupted"
    case .failed(let error): Failure(error).kind
    case .broken(let failure): failure.kind
    }
  }
}

/// The record of `put --json` and `get --json` for the outcome of one file.
struct FileRecord: Encodable {
  let report: FileReport
  /// Whether it is a record of its own, not a part of the result's record.
  var isEvent = true

  private enum CodingKeys: String, CodingKey {
    case event, path, result, reason, size, digest, algorithm, change
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    if isEvent { try container.encode("file", forKey: .event) }
    try container.encode(report.path, forKey: .path)
    switch report.outcome {
    case .stored: try container.encode("stored", forKey: .result)
    case .skipped(let reason):
      try container.encode("skipped", forKey: .result)
      try container.encode(reason, forKey: .reason)
    case .failed(let message):
      try container.encode("failed", forKey: .result)
      try container.encode(message, forKey: .reason)
    }
    try container.encodeIfPresent(report.size, forKey: .size)
    try container.encodeIfPresent(report.digest, forKey: .digest)
    try container.encode(report.algorithm.rawValue, forKey: .algorithm)
    try container.encodeIfPresent(report.change, forKey: .change)
  }
}
