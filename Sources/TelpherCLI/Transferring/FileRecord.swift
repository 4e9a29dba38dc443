internal import TelpherClient

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
