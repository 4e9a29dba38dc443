extension FleetClient {
  /// What became of a request to cancel a job.
  package enum Cancellation: Sendable, Equatable {
    /// It will never be started.
    case canceled
    /// Its worker ends it; the final record follows.
    case asked(WorkerName)
    /// It had ended before.
    case ended(FinalRecord)
    /// Its worker is gone. The job is not started again, but may still run there.
    case abandoned(WorkerName)
  }

  /// How long a worker has to answer.
  private static let patience = Duration.seconds(10)

  /// Cancels a job: it is never started or, if it runs, its worker ends it.
  ///
  /// - Throws: `FleetError`: `absent` if the broker knows no such job; `unreachable` if the job's worker
  ///   is there but does not answer.
  package func cancel(_ job: JobID) async throws(FleetError) -> Cancellation {
    guard let status = try await status(of: job) else {
      throw FleetError(.absent, "the broker knows no job \(job)")
    }
    if let final = status.final { return .ended(final) }
    // The claim decides: either a worker has it, or no worker ever will.
    var canceled = FinalRecord(job, .canceled(nil))
    canceled.describe(status.job?.job)
    var outcome = try await end(job, canceled, expecting: nil)
    if case .free = outcome.claim {
      outcome = try await end(job, canceled, expecting: outcome.revision)
    }
    if case .free = outcome.claim {
      throw FleetError(.unreachable, "a worker has just given the job away; try again")
    }
    guard case .run(let holder) = outcome.claim else { return try await ended(job, status) }
    let worker = holder.owner.worker
    if case .answer(let bytes) = try await engine.call(
      worker, WorkerCall.cancel(job).payload, within: Self.patience)
    {
      guard let answer = WorkerAnswer(payload: bytes) else {
        throw FleetError(.broken, "worker \(worker) has sent an answer that can't be read")
      }
      if answer.ok { return .asked(worker) }
      if let final = try await self.status(of: job)?.final { return .ended(final) }
      throw FleetError(
        .refused, "worker \(worker) does not cancel the job: \(answer.message ?? "no reason")")
    }
    let workers = try await engine.workers()
    guard !workers.contains(where: { $0.worker == worker }) else {
      throw FleetError(
        .unreachable, "worker \(worker), which has the job, does not answer; try again")
    }
    var loss = FinalRecord(
      job, .lost("it was canceled while its worker \(worker) was gone"), worker: worker,
      attempt: holder.attempt)
    loss.describe(status.job?.job)
    let second = try await end(job, loss, expecting: outcome.revision)
    guard case .end = second.claim else {
      throw FleetError(.unreachable, "another worker has just taken the job; try again")
    }
    _ = try await ended(job, status)
    return .abandoned(worker)
  }

  /// Writes the claim that a job ends with `final`, unless it has another revision.
  ///
  /// - Returns: the claim that holds now.
  private func end(
    _ job: JobID, _ final: FinalRecord, expecting expected: Revision?
  ) async throws(FleetError) -> (claim: Claim, revision: Revision) {
    let outcome = try await engine.write(
      RecordName(.claim, job), Claim.end(final).payload, expecting: expected)
    switch outcome {
    case .written(let revision): return (.end(final), revision)
    case .conflict(let record?):
      return (try Claim(payload: record.payload, of: job), record.revision)
    case .conflict(nil):
      throw FleetError(.uncertain, "the claim of the job has vanished; try again")
    }
  }

  /// Stores the final record that the claim of a job contains.
  private func ended(
    _ job: JobID, _ status: Status
  ) async throws(FleetError) -> Cancellation {
    guard let record = try await engine.record(RecordName(.claim, job)),
      case .end(let final) = try Claim(payload: record.payload, of: job)
    else { throw FleetError(.uncertain, "the claim of the job has vanished; try again") }
    let outcome = try await engine.write(
      RecordName(.result, job), final.payload, expecting: nil)
    if let queued = status.queued { try await engine.remove(queued) }
    switch outcome {
    case .written: break
    case .conflict(let record?):
      let stored = try FinalRecord(payload: record.payload, of: job)
      if stored != final { return .ended(stored) }
    case .conflict(nil): throw FleetError(.uncertain, "the final record has vanished; try again")
    }
    return .canceled
  }
}
