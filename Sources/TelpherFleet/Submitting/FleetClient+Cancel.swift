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
    var request = FinalRecord(job, .canceled(nil))
    request.describe(status.job?.job)
    // If someone has written it before, that is as good.
    _ = try await engine.write(
      RecordName(.cancel, job, of: status.queue), request.payload, expecting: nil)
    // The claim is read after that: a worker that takes it from now on reads the record above.
    for _ in 0..<Self.attempts {
      guard case .run(let holder) = try await claim(of: status) else {
        if let queued = status.queued { try await engine.remove(queued) }
        return .canceled
      }
      if let outcome = try await ask(holder.owner.worker, status) { return outcome }
    }
    throw FleetError(.unreachable, "the job's workers give it away all the time; try again")
  }

  /// How often a job is followed to the next worker.
  private static let attempts = 5

  private func claim(of status: Status) async throws(FleetError) -> Claim? {
    let name = RecordName(.claim, status.id, of: status.queue)
    guard let record = try await engine.record(name) else { return nil }
    return try Claim(payload: record.payload, of: status.id)
  }

  /// Lets the worker of a job end it.
  ///
  /// - Returns: nil if it does not have the job any more.
  private func ask(
    _ worker: WorkerName, _ status: Status
  ) async throws(FleetError) -> Cancellation? {
    if case .answer(let bytes) = try await engine.call(
      worker, WorkerCall.cancel(status.id).payload, within: Self.patience)
    {
      guard let answer = WorkerAnswer(payload: bytes) else {
        throw FleetError(.broken, "worker \(worker) has sent an answer that can't be read")
      }
      if answer.ok { return .asked(worker) }
      if let final = try await self.status(of: status.id)?.final { return .ended(final) }
      guard case .run(let holder) = try await claim(of: status), holder.owner.worker == worker
      else { return nil }
      throw FleetError(
        .refused, "worker \(worker) does not cancel the job: \(answer.message ?? "no reason")")
    }
    guard try await !engine.workers().contains(where: { $0.worker == worker }) else {
      throw FleetError(
        .unreachable, "worker \(worker), which has the job, does not answer; try again")
    }
    // No other worker starts it: each reads the record first.
    if let queued = status.queued { try await engine.remove(queued) }
    return .abandoned(worker)
  }
}
