/// Which worker decides about a job, or how the job ends without one (`RecordName.Kind.claim`). Only the
/// holder of the claim starts the job. It is taken by compare-and-set, so at most one worker has it.
package enum Claim: Sendable, Equatable {
  /// A worker runs it.
  case run(ClaimHolder)
  /// No worker runs it. This worker had claimed it, could not start the attempt for this reason, and
  /// has released it. Another worker, or the same one later, can take the same attempt.
  case free(ClaimHolder, reason: String)
  /// It ends without a worker, with this final record. Anyone may store the record.
  case end(FinalRecord)
}

/// The worker that has claimed a job.
package struct ClaimHolder: Sendable, Equatable, Codable {
  /// The worker and its journal. A worker that has lost its journal does not know what it has started,
  /// so it is another one.
  package let owner: ClaimOwner
  /// The number of this attempt, from 1.
  package let attempt: Int

  /// A holder of a claim.
  package init(_ owner: ClaimOwner, attempt: Int) {
    self.owner = owner
    self.attempt = attempt
  }
}

/// A worker, as a claim names it.
package struct ClaimOwner: Sendable, Hashable {
  /// Its name.
  package let worker: WorkerName
  /// The id of its journal: 32 hexadecimal digits.
  package let journal: JobID

  /// A worker with its journal.
  package init(_ worker: WorkerName, journal: JobID) {
    self.worker = worker
    self.journal = journal
  }
}

extension ClaimOwner: Codable {
  private enum CodingKeys: String, CodingKey { case worker, journal }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard let worker = WorkerName(try container.decode(String.self, forKey: .worker)),
      let journal = JobID(try container.decode(String.self, forKey: .journal))
    else {
      throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "no worker"))
    }
    self.init(worker, journal: journal)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(worker.description, forKey: .worker)
    try container.encode(journal.description, forKey: .journal)
  }
}

extension Claim {
  private struct Form: Codable {
    var v = 1
    var run: ClaimHolder?
    var free: ClaimHolder?
    var reason: String?
    var end: FinalRecord?
  }

  /// The payload of the record.
  package var payload: [UInt8] {
    switch self {
    case .run(let holder): FleetCoding.encode(Form(run: holder))
    case .free(let holder, let reason):
      FleetCoding.encode(
        Form(free: holder, reason: String(reason.prefix(FleetLimits.maxReasonLength))))
    case .end(let record): FleetCoding.encode(Form(end: record))
    }
  }

  /// Reads a payload of the claim of `job`.
  ///
  /// - Throws: `FleetError` (`broken`) if it is none.
  package init(payload: [UInt8], of job: JobID) throws(FleetError) {
    let form = try? FleetCoding.decode(Form.self, payload)
    switch (form?.v, form?.run, form?.free, form?.end) {
    case (1, let holder?, nil, nil) where holder.attempt >= 1: self = .run(holder)
    case (1, nil, let holder?, nil) where holder.attempt >= 1:
      self = .free(holder, reason: form?.reason ?? "")
    case (1, nil, nil, let end?) where end.id == job: self = .end(end)
    default: throw FleetError(.broken, "the broker's claim of job \(job) can't be read")
    }
  }
}
