/// Decides what a worker does with one job, so that a job of policy `once` is started at most once, one
/// of policy `retry` as often as it may be, and each gets one final record. It does no I/O: the worker
/// performs a step and passes the outcome to `receive`, which returns the next step.
///
/// The worker repeats a step whose outcome is unknown until it is known. It may be killed between any
/// two steps: `init(resuming:)` goes on from what the journal has.
///
///     read the result --there is one--> done
///           |
///     journal claiming, write the claim --another has it--> is it there? --yes--> give it back
///           |                                  |
///     journal starting, launch                 no: lost, or the next attempt
///           |
///     journal ended, publish, settle, journal done
///
/// If the worker itself is at fault that a command can't be started, the worker keeps the job: it
/// journals that it has not started this attempt, pauses, and begins again with the final record.
package struct JobDecision: Sendable {
  /// The job.
  package let job: JobID
  private let me: ClaimOwner
  private var verdict: JobVerdict
  private let payload: [UInt8]
  private(set) var state: State
  /// Whether the journal has something about the job that must be removed if another worker has it.
  private var isJournaled: Bool
  private var isCanceled = false

  /// How long another worker's job stays away from this one.
  package static let foreignDelay = Duration.seconds(30)

  private init(
    _ job: JobID, _ payload: [UInt8], by me: ClaimOwner, _ verdict: JobVerdict, _ state: State,
    isJournaled: Bool
  ) {
    self.job = job
    self.payload = payload
    self.me = me
    self.verdict = verdict
    self.state = state
    self.isJournaled = isJournaled
  }

  /// A delivered job about which the journal has nothing, or only that it is done.
  ///
  /// - Returns: the decision and its first step.
  package static func begin(
    _ job: JobID, _ payload: [UInt8], by me: ClaimOwner, _ verdict: JobVerdict, isDone: Bool
  ) -> (JobDecision, JobStep) {
    var decision = JobDecision(
      job, payload, by: me, isDone ? .refused(doneReason) : verdict,
      .readingResult(ClaimAttempt(attempt: 1, expected: nil)), isJournaled: isDone)
    decision.hasDoneIt = isDone
    return (decision, .read(decision.result))
  }

  /// A job about which the journal has `entry`, after a restart of the worker.
  ///
  /// - Returns: the decision and its first step; nil if nothing is to be done.
  package static func resume(
    _ job: JobID, _ payload: [UInt8], by me: ClaimOwner, _ verdict: JobVerdict,
    from entry: JournalEntry
  ) -> (JobDecision, JobStep)? {
    let state: State
    let step: JobStep
    switch entry {
    case .claiming(let attempt):
      state = .readingResult(attempt)
      step = .read(RecordName(.result, job))
    case .starting(let attempt):
      state = .running(attempt: attempt)
      step = .reattach(attempt: attempt)
    case .ended(let record):
      var decision = JobDecision(
        job, payload, by: me, verdict, .publishing(record, expected: nil), isJournaled: true)
      let step = decision.publish(record)
      return (decision, step)
    case .done, .dropped: return nil
    }
    return (JobDecision(job, payload, by: me, verdict, state, isJournaled: true), step)
  }

  /// Whether this worker has had a final record for the job before.
  private var hasDoneIt = false
  private static let doneReason = "its worker has run it, and the broker has lost its final record"

  private var result: RecordName { RecordName(.result, job) }
  private var claim: RecordName { RecordName(.claim, job) }

  /// Whether the command runs, or may run: the worker cancels it with its own server.
  package var isRunning: Bool { if case .running = state { true } else { false } }

  /// Someone asked to cancel the job. It is not started then; if it runs already, the worker ends it.
  package mutating func cancel() { isCanceled = true }

  /// Takes the outcome of the last step.
  ///
  /// - Returns: the next step.
  /// - Throws: `FleetError` (`broken`) if a record can't be read. The decision is then of no use any
  ///   more; the journal keeps what it has.
  package mutating func receive(_ input: JobInput) throws(FleetError) -> JobStep {
    switch (state, input) {
    case (.readingResult(let attempt), .read(let record)):
      guard let record else { return decide(attempt) }
      return finish(with: try FinalRecord(payload: record.payload, of: job))
    case (.journalingClaim(let attempt), .journaled): return takeClaim(attempt)
    case (.claiming(let attempt), .wrote(.written)): return start(attempt.attempt)
    case (.claiming(let attempt), .wrote(.conflict(nil))):
      // The claim that it was to replace has vanished.
      return takeClaim(ClaimAttempt(attempt: attempt.attempt, expected: nil))
    case (.claiming(let attempt), .wrote(.conflict(let record?))):
      return try meet(record, trying: attempt)
    case (.claimingEnd(let final, _), .wrote(.written)): return bury(final)
    case (.claimingEnd(let final, _), .wrote(.conflict(nil))): return claimEnd(final, nil)
    case (.claimingEnd(let final, _), .wrote(.conflict(let record?))):
      return try meet(record, ending: final)
    case (.finding(let holder, let revision), .found(let isThere)):
      return isThere ? giveBack() : takeOver(from: holder, revision)
    case (.journalingStart(let attempt), .journaled):
      if isCanceled { return end(.canceled(nil), attempt) }
      state = .running(attempt: attempt)
      return .launch(attempt: attempt)
    case (.running(let attempt), .ran(let outcome)): return didRun(attempt, outcome)
    case (.journalingRetreat(let attempt, let reason), .journaled):
      state = .pausing(attempt: attempt)
      return .pause(reason)
    case (.pausing(let attempt), .paused(let newest)):
      verdict = newest
      // Meanwhile others may have taken this worker for gone.
      state = .readingResult(ClaimAttempt(attempt: attempt, expected: nil))
      return .read(result)
    case (.readingClaim(let attempt, let reason), .read(let record)):
      return try retry(after: attempt, reason, record)
    case (.journalingEnd(let final), .journaled): return bury(final)
    case (.burying(let final), .wrote): return publish(final)
    case (.publishing(let final, _), .wrote(let outcome)): return try didPublish(final, outcome)
    case (.journalingDone(let final), .journaled):
      return settle(final.isUnable ? .never : .done, .final(final))
    case (.dropping, .journaled): return settle(.later(Self.foreignDelay), .foreign)
    case (.settling(let finish), .settled):
      state = .finished
      return .finish(finish)
    default: preconditionFailure("a step has the outcome of its own kind")
    }
  }
}

// MARK: Claims

extension JobDecision {
  /// Nothing has ended the job yet.
  private mutating func decide(_ attempt: ClaimAttempt) -> JobStep {
    if hasDoneIt { return publish(final(.lost(Self.doneReason), me.worker, 0)) }
    switch verdict {
    case .runs:
      isJournaled = true
      state = .journalingClaim(attempt)
      return .journal(.claiming(attempt))
    case .refused(let reason): return claimEnd(final(.dead(reason), nil, 0), attempt.expected)
    case .expired: return claimEnd(final(.expired, nil, 0), attempt.expected)
    }
  }

  private mutating func takeClaim(_ attempt: ClaimAttempt) -> JobStep {
    state = .claiming(attempt)
    let holder = ClaimHolder(me, attempt: attempt.attempt)
    return .write(claim, Claim.run(holder).payload, expecting: attempt.expected)
  }

  private mutating func claimEnd(_ final: FinalRecord, _ expected: Revision?) -> JobStep {
    state = .claimingEnd(final, expected: expected)
    return .write(claim, Claim.end(final).payload, expecting: expected)
  }

  /// The claim is not the one that was expected.
  private mutating func meet(
    _ record: Record, trying attempt: ClaimAttempt
  ) throws(FleetError) -> JobStep {
    switch try Claim(payload: record.payload, of: job) {
    case .end(let final): return bury(final)
    case .run(let holder):
      guard holder.owner == me else { return find(holder, record.revision) }
      // It is this worker's. The journal has no start of this attempt, so it was never started.
      guard holder.attempt < attempt.attempt else { return start(holder.attempt) }
      return takeClaim(ClaimAttempt(attempt: attempt.attempt, expected: record.revision))
    }
  }

  private mutating func meet(
    _ record: Record, ending final: FinalRecord
  ) throws(FleetError) -> JobStep {
    switch try Claim(payload: record.payload, of: job) {
    case .end(let other): return bury(other)
    case .run(let holder):
      guard holder.owner == me else { return find(holder, record.revision) }
      // As above: this worker has the claim, and has not started the job.
      return bury(final)
    }
  }

  private mutating func find(_ holder: ClaimHolder, _ revision: Revision) -> JobStep {
    state = .finding(holder, revision)
    return .find(holder.owner)
  }

  /// The job is that of another worker, which is there.
  private mutating func giveBack() -> JobStep {
    guard isJournaled else { return settle(.later(Self.foreignDelay), .foreign) }
    isJournaled = false
    state = .dropping
    return .journal(.dropped)
  }

  /// The holder of the claim is gone.
  private mutating func takeOver(from holder: ClaimHolder, _ revision: Revision) -> JobStep {
    let reason = "its worker \(holder.owner.worker) is gone"
    switch verdict {
    case .runs(.once): return publishLoss(.lost(reason), of: holder)
    case .runs(let policy) where holder.attempt < policy.maxAttempts:
      return decide(ClaimAttempt(attempt: holder.attempt + 1, expected: revision))
    case .runs:
      return publishLoss(.exhausted("\(reason), after \(holder.attempt) attempts"), of: holder)
    case .refused(let other):
      return publishLoss(.lost("\(reason), and \(me.worker) can't run it: \(other)"), of: holder)
    case .expired:
      return publishLoss(.lost("\(reason), and it is too late to start it again"), of: holder)
    }
  }

  private mutating func publishLoss(
    _ outcome: FinalRecord.Outcome, of holder: ClaimHolder
  ) -> JobStep {
    bury(final(outcome, holder.owner.worker, holder.attempt))
  }
}

// MARK: Running

extension JobDecision {
  /// This worker has the claim.
  private mutating func start(_ attempt: Int) -> JobStep {
    if isCanceled { return end(.canceled(nil), attempt) }
    state = .journalingStart(attempt: attempt)
    return .journal(.starting(attempt: attempt))
  }

  private mutating func didRun(_ attempt: Int, _ outcome: RunOutcome) -> JobStep {
    let reason: String
    switch outcome {
    case .ended(let end):
      return self.end(end.status == .canceled ? .canceled(end) : .ended(end), attempt)
    case .interrupted(let end):
      guard mayRetry else { return self.end(.ended(end), attempt) }
      reason = "its worker \(me.worker) was shut down"
    case .notStarted(let reason):
      if isCanceled { return end(.canceled(nil), attempt) }
      state = .journalingRetreat(attempt: attempt, reason)
      return .journal(.claiming(ClaimAttempt(attempt: attempt, expected: nil)))
    case .unknown(let text):
      guard mayRetry else { return end(.lost(text), attempt) }
      reason = text
    }
    state = .readingClaim(attempt: attempt, reason)
    return .read(claim)
  }

  private var mayRetry: Bool {
    if isCanceled { return false }
    if case .runs(.retry) = verdict { return true } else { return false }
  }

  /// The attempt was lost. The job goes on if it is still this worker's, and may be started again.
  private mutating func retry(
    after attempt: Int, _ reason: String, _ record: Record?
  ) throws(FleetError) -> JobStep {
    guard case .runs(let policy) = verdict else {
      preconditionFailure("mayRetry has checked the verdict")
    }
    var reached = attempt
    if let record {
      switch try Claim(payload: record.payload, of: job) {
      case .end(let final): return bury(final)
      case .run(let holder):
        guard holder.owner == me else { return giveBack() }
        // A claim after this attempt is not in the journal, so it was never started.
        if holder.attempt > attempt { return start(holder.attempt) }
        reached = max(attempt, holder.attempt)
      }
    }
    guard reached < policy.maxAttempts else {
      return end(.exhausted("\(reason), after \(reached) attempts"), reached)
    }
    return decide(ClaimAttempt(attempt: reached + 1, expected: record?.revision))
  }
}

// MARK: The end

extension JobDecision {
  private func final(
    _ outcome: FinalRecord.Outcome, _ worker: WorkerName?, _ attempt: Int
  ) -> FinalRecord {
    var record = FinalRecord(job, outcome, worker: worker, attempt: attempt)
    record.describe((try? SignedJob(payload: payload))?.job)
    return record
  }

  /// The job has an end for this worker.
  private mutating func end(_ outcome: FinalRecord.Outcome, _ attempt: Int) -> JobStep {
    let final = final(outcome, me.worker, attempt)
    isJournaled = true
    state = .journalingEnd(final)
    return .journal(.ended(final))
  }

  /// Keeps the payload of a job that can't run, and then publishes.
  private mutating func bury(_ final: FinalRecord) -> JobStep {
    guard final.isUnable else { return publish(final) }
    state = .burying(final)
    // A payload that no submitter of this program has made may be longer than a record.
    let kept = Array(payload.prefix(FleetLimits.maxJobLength))
    return .write(RecordName(.dead, job), kept, expecting: nil)
  }

  private mutating func publish(_ final: FinalRecord) -> JobStep {
    publish(final, expecting: nil)
  }

  private mutating func publish(_ final: FinalRecord, expecting expected: Revision?) -> JobStep {
    state = .publishing(final, expected: expected)
    return .write(result, final.payload, expecting: expected)
  }

  private mutating func didPublish(
    _ final: FinalRecord, _ outcome: WriteOutcome
  ) throws(FleetError) -> JobStep {
    switch outcome {
    case .written: return finish(with: final)
    case .conflict(nil): return publish(final, expecting: nil)
    case .conflict(let record?):
      let other: FinalRecord
      do throws(FleetError) { other = try FinalRecord(payload: record.payload, of: job) } catch {
        // Any member can write what is no record. What has really happened takes its place.
        guard final.isKnownEnd else { throw error }
        return publish(final, expecting: record.revision)
      }
      return final.replaces(other)
        ? publish(final, expecting: record.revision) : finish(with: other)
    }
  }

  /// The broker has this final record.
  private mutating func finish(with final: FinalRecord) -> JobStep {
    guard isJournaled, !hasDoneIt else {
      return settle(final.isUnable ? .never : .done, .final(final))
    }
    state = .journalingDone(final)
    return .journal(.done)
  }

  private mutating func settle(_ settlement: Settlement, _ finish: JobStep.Finish) -> JobStep {
    state = .settling(finish)
    return .settle(settlement)
  }
}

extension FinalRecord {
  /// Whether the job's payload is kept in the list of dead jobs.
  var isUnable: Bool {
    switch outcome {
    case .dead, .exhausted: true
    case .ended, .lost, .canceled, .expired: false
    }
  }
}
