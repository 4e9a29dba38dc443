internal import TelpherText

/// How a job ended: the one record that each job gets at last (`RecordName.Kind.result`).
///
///     {"attempt":1,"digest":"5e1c...","end":{"code":0,"ended_ms":...,"result":"exited",...},
///      "id":"6d3f...","outcome":"ended","v":1,"worker":"A"}
package struct FinalRecord: Sendable, Equatable {
  /// The outcomes of a job.
  package enum Outcome: Sendable, Equatable {
    /// Its command ended, or could not be started.
    case ended(JobEnd)
    /// It was started at most once, and it is unknown how it ended. The text gives the reason.
    case lost(String)
    /// It can't run, and never ran. The text says why.
    case dead(String)
    /// It was started as often as it may be, and it is unknown how it ended. The text gives the
    /// reason.
    case exhausted(String)
    /// It was canceled; the end is nil if it was never started.
    case canceled(JobEnd?)
    /// No worker took it in time. It was never started.
    case expired
  }

  /// The job.
  package let id: JobID
  /// How it ended.
  package let outcome: Outcome
  /// The worker that has it, or has had it; nil if none had.
  package var worker: WorkerName?
  /// The number of the attempt that this is about, from 1; 0 if there was none.
  package var attempt = 0
  /// The words of its command for people, as the writer of the record has them; nil if they are not
  /// known.
  package var command: String?
  /// `FleetJob.digest` of the job; nil if the writer of the record could not read the job.
  package var digest: String?

  /// A final record.
  package init(_ id: JobID, _ outcome: Outcome, worker: WorkerName? = nil, attempt: Int = 0) {
    self.id = id
    self.outcome = outcome
    self.worker = worker
    self.attempt = attempt
  }

  /// Whether the end of the command may replace it: it says only that nothing is known.
  package var isProvisional: Bool {
    switch outcome {
    case .lost, .exhausted: true
    case .ended, .dead, .canceled, .expired: false
    }
  }

  /// Whether it takes the place of a record that is there.
  package func replaces(_ other: FinalRecord) -> Bool {
    other.isProvisional && isKnownEnd
  }

  /// Whether it says how a command ended.
  package var isKnownEnd: Bool {
    switch outcome {
    case .ended, .canceled(.some): true
    case .lost, .dead, .exhausted, .canceled(nil), .expired: false
    }
  }
}

extension FinalRecord: Codable {
  private enum CodingKeys: String, CodingKey {
    case v, id, outcome, reason, end, worker, attempt, command, digest
  }

  /// The version of the text.
  private static let version = 1

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func fault(_ text: String) -> DecodingError {
      DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: text))
    }
    guard try container.decode(Int.self, forKey: .v) == Self.version,
      let id = JobID(try container.decode(String.self, forKey: .id))
    else { throw fault("another version, or no id") }
    let end = try container.decodeIfPresent(JobEnd.self, forKey: .end)
    if let text = end?.fault { throw fault(text) }
    let reason = try container.decodeIfPresent(String.self, forKey: .reason) ?? ""
    let outcome: Outcome
    switch try container.decode(String.self, forKey: .outcome) {
    case "ended":
      guard let end else { throw fault("it has no end") }
      outcome = .ended(end)
    case "lost": outcome = .lost(reason)
    case "dead": outcome = .dead(reason)
    case "exhausted": outcome = .exhausted(reason)
    case "canceled": outcome = .canceled(end)
    case "expired": outcome = .expired
    default: throw fault("the outcome is not known")
    }
    self.init(
      id, outcome,
      worker: try container.decodeIfPresent(String.self, forKey: .worker).flatMap(WorkerName.init),
      attempt: try container.decodeIfPresent(Int.self, forKey: .attempt) ?? 0)
    command = try container.decodeIfPresent(String.self, forKey: .command)
    digest = try container.decodeIfPresent(String.self, forKey: .digest)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.version, forKey: .v)
    try container.encode(id.description, forKey: .id)
    try container.encode(outcome.name, forKey: .outcome)
    switch outcome {
    case .ended(let end), .canceled(let end?): try container.encode(end, forKey: .end)
    case .lost(let reason), .dead(let reason), .exhausted(let reason):
      try container.encode(String(reason.prefix(FleetLimits.maxReasonLength)), forKey: .reason)
    case .canceled(nil), .expired: break
    }
    try container.encodeIfPresent(worker?.description, forKey: .worker)
    if attempt > 0 { try container.encode(attempt, forKey: .attempt) }
    if let command {
      try container.encode(String(command.prefix(FleetLimits.maxTitleLength)), forKey: .command)
    }
    try container.encodeIfPresent(digest, forKey: .digest)
  }
}

extension FinalRecord.Outcome {
  /// Its name in the record, and for users.
  package var name: String {
    switch self {
    case .ended: "ended"
    case .lost: "lost"
    case .dead: "dead"
    case .exhausted: "exhausted"
    case .canceled: "canceled"
    case .expired: "expired"
    }
  }

  /// Why, in plain text made safe to show; nil if the name says it.
  package var reason: String? {
    switch self {
    case .lost(let reason), .dead(let reason), .exhausted(let reason): ShownText.escaped(reason)
    case .ended(let end), .canceled(let end?): end.message.map { ShownText.escaped($0) }
    case .canceled(nil), .expired: nil
    }
  }
}

extension FinalRecord {
  /// Notes which job this is about; nil if it can't be read.
  package mutating func describe(_ job: FleetJob?) {
    command = job?.title
    digest = job?.digest
  }

  /// The payload of the record.
  package var payload: [UInt8] { FleetCoding.encode(self) }

  /// Reads a payload of the record about `job`.
  ///
  /// - Throws: `FleetError` (`broken`) if it is none.
  package init(payload: [UInt8], of job: JobID) throws(FleetError) {
    let record: FinalRecord
    do throws(FleetError) { record = try FleetCoding.decode(FinalRecord.self, payload) } catch {
      throw FleetError(.broken, "the broker's final record of job \(job) can't be read")
    }
    guard record.id == job else {
      throw FleetError(.broken, "the broker's final record of job \(job) is that of another job")
    }
    self = record
  }
}
