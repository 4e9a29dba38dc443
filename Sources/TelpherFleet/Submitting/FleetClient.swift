internal import TelpherText

/// What a submitter does with a fleet: submit jobs, wait for them, cancel them, look at them.
package struct FleetClient: Sendable {
  let engine: any FleetEngine

  /// How long one wait for a record takes; it is repeated.
  private let waiting: Duration
  /// The pauses between attempts of a call that fails, doubled from the first to the last.
  private static let pauses = (first: Duration.milliseconds(100), last: Duration.seconds(2))

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

  /// How many queues a message names.
  private static let named = 10

  /// Checks that a queue exists. A job of one that does not would wait until it is too old, since no worker
  /// may take it.
  ///
  /// - Throws: `FleetError`: `absent` with the names of those that exist.
  package func check(_ queue: QueueName) async throws(FleetError) {
    guard try await !engine.has(queue) else { return }
    let queues = try await engine.queues().map(\.name.description)
    let names = queues.prefix(Self.named).joined(separator: ", ")
    let rest = queues.count > Self.named ? " and \(queues.count - Self.named) others" : ""
    throw FleetError(
      .absent,
      "the fleet has no queue \(queue)\(queues.isEmpty ? "" : ", but \(names)\(rest)"); 'telpher fleet enroll' makes queues"
    )
  }

  /// Checks that all that the broker knows of a job's id is about this job.
  private func checkIsOnly(_ job: SignedJob) async throws(FleetError) {
    let (id, digest) = (job.job.id, job.job.digest)
    let traces = try await engine.traces(of: id)
    var digests = traces.queued.map { (try? SignedJob(payload: $0.payload))?.job.digest }
    for entry in traces.records where [.result, .cancel].contains(entry.name.kind) {
      digests.append(try FinalRecord(payload: entry.record.payload, of: id).digest)
    }
    if digests.contains(where: { $0 != digest }) {
      // A worker that meets the record or the claim of the other job would drop this one unseen.
      for entry in traces.queued where entry.payload == job.payload {
        try await engine.remove(entry)
      }
      throw FleetError(
        .invalid, "another job with the id \(id) was submitted before; choose another id")
    }
    guard !digests.isEmpty else {
      throw FleetError(
        .invalid,
        "a job with the id \(id) was submitted before, and the broker has nothing of it any more; choose another id"
      )
    }
  }

  // MARK: Waiting

  /// Waits until a job has a final record.
  ///
  /// - Throws: `FleetError`: `absent` if the broker knows nothing of it, or nothing any more: it keeps
  ///   a job for `EngineSettings.jobAge`, and may be told to remove it. If the broker can't be reached,
  ///   it waits for the broker.
  package func wait(for job: JobID) async throws -> FinalRecord {
    var isKnown = false
    while true {
      let status = try await repeating { () throws(FleetError) in try await self.status(of: job) }
      guard let status else {
        throw FleetError(
          .absent,
          isKnown
            ? "the broker has nothing of the job \(job) any more: it was removed, or was too old"
            : "the broker knows no job \(job)")
      }
      if let final = status.final { return final }
      isKnown = true
      let names = [RecordName.Kind.result, .cancel].map {
        RecordName($0, job, of: status.queue)
      }
      let entry = try await repeating { () throws(FleetError) in
        try await engine.change(of: names, from: status.revisions, within: waiting)
      }
      if let entry, entry.name.kind == .result {
        return try FinalRecord(payload: entry.record.payload, of: job)
      }
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
