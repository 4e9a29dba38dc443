internal import TelpherText

/// What a submitter does with a fleet: submit jobs, wait for them, cancel them, look at them.
package struct FleetClient: Sendable {
  let engine: any FleetEngine

  /// How long one wait for a record takes; it is repeated.
  private let waiting: Duration
  /// The pauses between attempts of a call that fails, doubled from the first to the last.
  private static let pauses = (first: Duration.milliseconds(100), last: Duration.seconds(2))
  /// The entries that are read from the broker at once.
  private static let page = 200

  /// A client of a fleet.
  ///
  /// - Parameter waiting: how long one wait for a job's end takes, after which it is looked at whether
  ///   the broker still has the job.
  package init(engine: any FleetEngine, waiting: Duration = .seconds(30)) {
    (self.engine, self.waiting) = (engine, waiting)
  }

  // MARK: Submitting

  /// Submits a job. It may be repeated with the same job: it runs once.
  ///
  /// - Parameter mayBeKnown: whether a job with this id may have been submitted before. If it was not
  ///   made for this call, it may.
  /// - Throws: `FleetError`: `invalid` if another job has this id; `uncertain` if the broker did not
  ///   confirm it (repeat it then).
  package func submit(
    _ job: SignedJob, mayBeKnown: Bool = true
  ) async throws(FleetError) -> Submission {
    let payload = job.payload
    guard payload.count <= FleetLimits.maxJobLength else {
      throw FleetError(
        .tooLarge,
        "the job has \(payload.count) bytes, and \(FleetLimits.maxJobLength) are the most")
    }
    let submission = try await engine.submit(payload, id: job.job.id, to: job.job.queue)
    if mayBeKnown || submission == .duplicate { try await checkIsOnly(job) }
    return submission
  }

  /// Checks that all that the broker knows of a job's id is about this job.
  private func checkIsOnly(_ job: SignedJob) async throws(FleetError) {
    let (id, digest) = (job.job.id, job.job.digest)
    let queued = try await entries(of: id)
    // Records are read after the queue, because a job leaves it after it has got them.
    let final = try await recorded(id).final
    let isOther = queued.contains { (try? SignedJob(payload: $0.payload))?.job.digest != digest }
    if isOther || final.map({ $0.digest != digest }) == true {
      // A worker that meets the record or the claim of the other job would drop this one unseen.
      for entry in queued where entry.payload == job.payload { try await engine.remove(entry) }
      throw FleetError(
        .invalid, "another job with the id \(id) was submitted before; choose another id")
    }
    guard final != nil || !queued.isEmpty else {
      throw FleetError(
        .invalid,
        "a job with the id \(id) was submitted before, and the broker has nothing of it any more; choose another id"
      )
    }
  }

  /// The places of a job in queues: more than one if it was submitted again after the broker had
  /// forgotten its id.
  private func entries(of job: JobID) async throws(FleetError) -> [QueuedJob] {
    var found: [QueuedJob] = []
    var position: Position?
    while true {
      let page = try await engine.queued(after: position, limit: Self.page)
      found += page.filter { $0.job == job }
      guard page.count == Self.page, let last = page.last else { return found }
      position = last.position
    }
  }

  // MARK: Looking

  /// What is known about a job.
  package struct Status: Sendable, Equatable {
    /// The job.
    package let id: JobID
    /// Its place in a queue; nil if it was settled.
    package var queued: QueuedJob?
    /// The worker that has claimed it; nil if none has.
    package var claim: Claim?
    /// How it ended; nil if it has not.
    package var final: FinalRecord?
    /// The payload of a job that could not run.
    package var dead: [UInt8]?
    /// Whether the broker has a record about it that can't be read.
    package var hasUnreadableRecord = false

    /// Takes a final record, or notes that it can't be read.
    fileprivate mutating func takeFinal(_ record: Record) {
      final = try? FinalRecord(payload: record.payload, of: id)
      if final == nil { hasUnreadableRecord = true }
    }

    /// The state in one word.
    package var state: String {
      if let final { return final.outcome.name }
      if hasUnreadableRecord { return "unreadable" }
      switch claim {
      case .run: return "running"
      case .end: return "ending"
      case .free, nil: return "queued"
      }
    }

    /// The worker that has it or has had it; nil if none had.
    package var worker: WorkerName? {
      if let worker = final?.worker { return worker }
      if case .run(let holder) = claim { return holder.owner.worker }
      return nil
    }

    /// The attempt that runs or ran last, from 1; 0 if there was none.
    package var attempt: Int {
      if let final, final.attempt > 0 { return final.attempt }
      if case .run(let holder) = claim { return holder.attempt }
      return 0
    }

    /// Why the last worker that had it could not start it; nil if none had, or if it goes on.
    package var lastFault: String? {
      guard final == nil, case .free(let holder, let reason) = claim else { return nil }
      return "worker \(holder.owner.worker) could not start it: \(ShownText.escaped(reason))"
    }

    /// The words of its command for people; nil if they are not known.
    package var command: String? {
      job?.job.title ?? final?.command.map { ShownText.escaped($0) }
    }

    /// The job, from its queue or from the list of dead jobs; nil if it can't be read any more.
    package var job: SignedJob? {
      (queued?.payload ?? dead).flatMap { try? SignedJob(payload: $0) }
    }
  }

  /// What is known about a job; nil if the broker knows nothing of it.
  package func status(of job: JobID) async throws(FleetError) -> Status? {
    var status = try await recorded(job)
    if status.final == nil {
      status.queued = try await entries(of: job).first
      // It may have ended meanwhile.
      if status.queued == nil { status = try await recorded(job) }
    }
    let isKnown = status.final != nil || status.claim != nil || status.queued != nil
    return isKnown ? status : nil
  }

  private func recorded(_ job: JobID) async throws(FleetError) -> Status {
    var status = Status(id: job)
    if let record = try await engine.record(RecordName(.claim, job)) {
      status.claim = try Claim(payload: record.payload, of: job)
    }
    if let record = try await engine.record(RecordName(.result, job)) {
      status.final = try FinalRecord(payload: record.payload, of: job)
    }
    if let record = try await engine.record(RecordName(.dead, job)) {
      status.dead = record.payload
    }
    return status
  }

  /// The jobs that have not ended, the oldest first; with those that have, if wanted. A record that
  /// can't be read is noted in the status of its job: it must not hide the others.
  ///
  /// - Parameter limit: the most entries.
  package func list(all: Bool, limit: Int) async throws(FleetError) -> [Status] {
    var entries: [JobID: Status] = [:]
    var order: [JobID] = []
    func entry(_ job: JobID) -> Status {
      if let entry = entries[job] { return entry }
      order.append(job)
      return Status(id: job)
    }
    if all {
      for record in try await records(.result, limit: limit) {
        var status = entry(record.name.job)
        status.takeFinal(record.record)
        entries[record.name.job] = status
      }
    }
    var position: Position?
    while order.count < limit {
      let page = try await engine.queued(after: position, limit: Self.page)
      for queued in page {
        var status = entry(queued.job)
        status.queued = queued
        if let record = try await engine.record(RecordName(.claim, queued.job)) {
          status.claim = try? Claim(payload: record.payload, of: queued.job)
          if status.claim == nil { status.hasUnreadableRecord = true }
        }
        if status.final == nil,
          let record = try await engine.record(RecordName(.result, queued.job))
        {
          status.takeFinal(record)
        }
        entries[queued.job] = status
      }
      guard page.count == Self.page, let last = page.last else { break }
      position = last.position
    }
    return order.prefix(limit).compactMap { entries[$0] }
  }

  private func records(
    _ kind: RecordName.Kind, limit: Int
  ) async throws(FleetError) -> [RecordEntry] {
    var entries: [RecordEntry] = []
    while entries.count < limit {
      let page = try await engine.records(
        kind, after: entries.last?.record.revision, limit: Self.page)
      entries += page
      if page.count < Self.page { break }
    }
    return entries
  }

  // MARK: Waiting

  /// Waits until a job has a final record.
  ///
  /// - Throws: `FleetError`: `absent` if the broker knows nothing of it, or nothing any more: it keeps
  ///   a job for `EngineSettings.jobAge`, and may be told to remove it. If the broker can't be reached,
  ///   it waits for the broker.
  package func wait(for job: JobID) async throws -> FinalRecord {
    let name = RecordName(.result, job)
    var isKnown = false
    while true {
      let known = try await repeating { () throws(FleetError) in try await self.status(of: job) }
      guard known != nil else {
        throw FleetError(
          .absent,
          isKnown
            ? "the broker has nothing of the job \(job) any more: it was removed, or was too old"
            : "the broker knows no job \(job)")
      }
      isKnown = true
      let record = try await repeating { () throws(FleetError) in
        try await engine.change(of: name, from: nil, within: waiting)
      }
      if let record { return try FinalRecord(payload: record.payload, of: job) }
    }
  }

  private func repeating<Value>(
    _ body: () async throws(FleetError) -> Value
  ) async throws -> Value {
    var pause = Self.pauses.first
    while true {
      do throws(FleetError) { return try await body() } catch {
        guard error.isPassing else { throw error }
      }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, Self.pauses.last)
    }
  }
}
