internal import Synchronization

/// What a worker does with one job.
extension FleetWorker {
  /// How long a job that can't be decided about stays away.
  private static let brokenDelay = Duration.seconds(300)
  /// How long a job stays away if this worker's own files can't be read, which may soon pass.
  private static let undecidedDelay = Duration.seconds(10)

  /// Works on a delivered job.
  ///
  /// - Returns: how this worker is done with it; nil if it could not decide.
  func begin(
    _ active: ActiveJobs.Entry, _ delivery: Delivery
  ) async throws -> JobStep.Finish? {
    defer { jobs.end(active) }
    let (verdict, plan): (JobVerdict, JobCheck.Plan?)
    do throws(FleetError) {
      (verdict, plan) = try check.verdict(
        on: delivery.payload, of: delivery.job, from: delivery.queue, now: Clock.now())
    } catch {
      report("job \(delivery.job) is given back: \(error.message)")
      try await settle(delivery, .later(Self.undecidedDelay))
      return nil
    }
    let (decision, step) = JobDecision.begin(
      delivery.job, of: delivery.queue, delivery.payload, by: me, verdict,
      isDone: journal.isDone(delivery.job))
    return try await perform(decision, step, active, plan, delivery.payload)
  }

  /// Goes on with a job of the journal.
  func resume(
    _ active: ActiveJobs.Entry, _ entry: JournalEntry, _ payload: [UInt8]
  ) async throws {
    defer { jobs.end(active) }
    let queue: QueueName
    do throws(FleetError) { queue = try SignedJob(payload: payload).job.queue } catch {
      // Only jobs that could be read get into the journal; a later version may have written it.
      return report("job \(active.job) of the journal can't be read: \(error.message)")
    }
    let (verdict, plan) = try await decide(about: active.job, payload)
    guard
      let (decision, step) = JobDecision.resume(
        active.job, of: queue, payload, by: me, verdict, from: entry)
    else { return }
    _ = try await perform(decision, step, active, plan, payload)
  }

  /// Decides about a job that this worker has already, as soon as that is possible.
  private func decide(
    about job: JobID, _ payload: [UInt8]
  ) async throws -> (JobVerdict, JobCheck.Plan?) {
    var pause = settings.startPauses.first
    while true {
      do throws(FleetError) {
        return try check.verdict(on: payload, of: job, from: nil, now: Clock.now())
      } catch {
        report("job \(job) waits: \(error.message)")
      }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, settings.startPauses.last)
    }
  }

  /// Performs the steps of a job, and reports to the broker meanwhile that this worker has it.
  ///
  /// - Returns: how this worker is done with it; nil if a record can't be read.
  private func perform(
    _ decision: JobDecision, _ step: JobStep, _ active: ActiveJobs.Entry, _ plan: JobCheck.Plan?,
    _ payload: [UInt8]
  ) async throws -> JobStep.Finish? {
    let sign = Task { [engine, settings] in
      while !Task.isCancelled {
        do { try await Task.sleep(for: settings.working) } catch { return }
        guard let delivery = active.delivery else { continue }
        // If it gets lost, the broker delivers the job again, and the claim stops others.
        try? await engine.settle(delivery, .working)
      }
    }
    defer { sign.cancel() }
    var (decision, step) = (decision, step)
    var pause = settings.startPauses.first
    do {
      while true {
        if case .finish(let finish) = step { return finish }
        let input = try await perform(step, active, plan, payload)
        if active.isCanceled { decision.cancel() }
        let next = try decision.receive(input)
        note(decision)
        if case .notJournaled(let reason) = input, next == step {
          report("job \(active.job) waits: \(reason)")
          try await Task.sleep(for: pause)
          pause = min(pause * 2, settings.startPauses.last)
        }
        step = next
      }
    } catch let error as FleetError where error.code == .broken || error.code == .tooLarge {
      report("job \(active.job): \(error.message)")
      if let delivery = active.delivery {
        try await settle(delivery, .later(Self.brokenDelay))
      }
      return nil
    }
  }

  /// Remembers whether this worker could start a job, before the broker can give it the job again.
  private func note(_ decision: JobDecision) {
    guard case .settling(let finish) = decision.state else { return }
    switch finish {
    case .released(let reason):
      report("job \(decision.job) can't be started here, and is left to other workers: \(reason)")
      failed.withLock { $0.note(decision.job, at: .now) }
    case .final: failed.withLock { $0.forget(decision.job) }
    case .foreign: break
    }
  }

  /// Performs one step; repeats it until its outcome is known.
  private func perform(
    _ step: JobStep, _ active: ActiveJobs.Entry, _ plan: JobCheck.Plan?, _ payload: [UInt8]
  ) async throws -> JobInput {
    switch step {
    case .read(let name):
      return try await repeating { () throws(FleetError) in .read(try await engine.record(name)) }
    case .write(let name, let bytes, let expected):
      return try await repeating { () throws(FleetError) in
        .wrote(try await engine.write(name, bytes, expecting: expected))
      }
    case .journal(let entry):
      // The journal keeps the payload of the entry that begins the attempt.
      let isFirst = if case .claiming = entry { true } else { false }
      do throws(FleetError) {
        try await journal.store(
          entry, of: active.job, payload: isFirst ? payload : [], now: Clock.now())
        return .journaled
      } catch {
        guard error.code == .full else { throw error }
        return .notJournaled(error.message)
      }
    case .find(let owner):
      let workers = try await repeating { () throws(FleetError) in try await engine.workers() }
      return .found(
        workers.contains {
          $0.worker == owner.worker
            && WorkerRecord(payload: $0.payload)?.journal == owner.journal.description
        })
    case .launch(let attempt):
      guard let plan else { preconditionFailure("only a job that may run gets a claim") }
      return .ran(
        try await run(active, attempt) { try await self.runner.launch(plan.command, as: $0) })
    case .reattach(let attempt):
      return .ran(try await run(active, attempt) { try await self.runner.reattach(to: $0) })
    case .settle(let settlement):
      if let delivery = active.delivery { try await settle(delivery, settlement) }
      return .settled
    case .finish: preconditionFailure("the caller has done it")
    }
  }

  /// Runs a command that calls can cancel.
  private func run(
    _ active: ActiveJobs.Entry, _ attempt: Int, _ body: (JobID) async throws -> RunOutcome
  ) async throws -> RunOutcome {
    let run = active.job.run(attempt: attempt)
    active.state.withLock { $0.run = run }
    defer { active.state.withLock { $0.run = nil } }
    return try await body(run)
  }
}
