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
///     read whether it is canceled              no: lost, or the next attempt
///           |
///     journal starting, launch
///           |
///     journal ended, publish, settle, journal done
///
/// A member that cancels a job writes that first and then reads the claim. The worker writes the claim
/// first and then reads whether the job is canceled. So at least one of them sees the other.
///
/// If the worker itself is at fault that a command can't be started, it releases the claim, so that
/// another worker can take the same attempt: it journals that it has not started it, writes a claim that
/// is free, and gives the job back.
package struct JobDecision: Sendable {
  /// The job, and its queue.
  package let job: JobID
  let queue: QueueName
  let me: ClaimOwner
  let verdict: JobVerdict
  let payload: [UInt8]
  var state: State
  /// Whether the journal has something about the job that must be removed if another worker has it.
  var isJournaled: Bool
  var isCanceled = false

  /// How long another worker's job stays away from this one.
  package static let foreignDelay = Duration.seconds(30)

  private init(
    _ job: JobID, of queue: QueueName, _ payload: [UInt8], by me: ClaimOwner, _ verdict: JobVerdict,
    _ state: State,
    isJournaled: Bool
  ) {
    self.job = job
    self.queue = queue
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
    _ job: JobID, of queue: QueueName, _ payload: [UInt8], by me: ClaimOwner,
    _ verdict: JobVerdict, isDone: Bool
  ) -> (JobDecision, JobStep) {
    var decision = JobDecision(
      job, of: queue, payload, by: me, isDone ? .refused(doneReason) : verdict,
      .readingResult(ClaimAttempt(attempt: 1, expected: nil)), isJournaled: isDone)
    decision.hasDoneIt = isDone
    return (decision, .read(decision.result))
  }

  /// A job about which the journal has `entry`, after a restart of the worker.
  ///
  /// - Returns: the decision and its first step; nil if nothing is to be done.
  package static func resume(
    _ job: JobID, of queue: QueueName, _ payload: [UInt8], by me: ClaimOwner,
    _ verdict: JobVerdict, from entry: JournalEntry
  ) -> (JobDecision, JobStep)? {
    let state: State
    let step: JobStep
    switch entry {
    case .claiming(let attempt):
      state = .readingResult(attempt)
      step = .read(RecordName(.result, job, of: queue))
    case .starting(let attempt):
      state = .running(attempt: attempt)
      step = .reattach(attempt: attempt)
    case .releasing(let attempt, let reason):
      state = .readingRelease(attempt: attempt, reason)
      step = .read(RecordName(.claim, job, of: queue))
    case .ended(let record):
      var decision = JobDecision(
        job, of: queue, payload, by: me, verdict, .publishing(record, expected: nil),
        isJournaled: true)
      let step = decision.publish(record)
      return (decision, step)
    case .done, .dropped: return nil
    }
    return (
      JobDecision(job, of: queue, payload, by: me, verdict, state, isJournaled: true), step
    )
  }

  /// Whether this worker has had a final record for the job before.
  var hasDoneIt = false
  static let doneReason = "its worker has run it, and the broker has lost its final record"

  var result: RecordName { RecordName(.result, job, of: queue) }
  var claim: RecordName { RecordName(.claim, job, of: queue) }

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
    case (.journalingClaim, .notJournaled(let reason)):
      return settle(.later(.zero), .released(reason))
    case (.claiming(let attempt), .wrote(.written)): return start(attempt.attempt)
    case (.claiming(let attempt), .wrote(.conflict(nil))):
      // The claim that it was to replace has vanished.
      return takeClaim(ClaimAttempt(attempt: attempt.attempt, expected: nil))
    case (.claiming(let attempt), .wrote(.conflict(let record?))):
      return try meet(record, trying: attempt)
    case (.claimingEnd(let final, _), .wrote(.written)): return endAs(final)
    case (.claimingEnd(let final, _), .wrote(.conflict(nil))): return claimEnd(final, nil)
    case (.claimingEnd(let final, _), .wrote(.conflict(let record?))):
      return try meet(record, ending: final)
    case (.finding(let holder, let revision), .found(let isThere)):
      return isThere ? giveBack() : takeOver(from: holder, revision)
    case (.checkingStart(let attempt), .read(let record)): return start(attempt, record)
    case (.checkingEnd(let final), .read(let record)):
      return bury(record == nil ? final : self.final(.canceled(nil), nil, 0))
    case (.journalingStart(let attempt), .journaled):
      if isCanceled { return endCanceled(attempt) }
      state = .running(attempt: attempt)
      return .launch(attempt: attempt)
    case (.journalingStart(let attempt), .notJournaled(let reason)):
      // The journal says that it has not started this attempt, as is true.
      return readRelease(attempt, reason)
    case (.running(let attempt), .ran(let outcome)): return didRun(attempt, outcome)
    case (.journalingRelease(let attempt, let reason), .journaled):
      return readRelease(attempt, reason)
    case (.readingRelease(let attempt, let reason), .read(let record)):
      return try release(attempt, reason, record)
    case (.releasing(_, let reason), .wrote(.written)): return drop(.released(reason))
    case (.releasing(let holder, let reason), .wrote(.conflict(let record))):
      return try release(holder.attempt, reason, record)
    case (.readingClaim(let attempt, let reason), .read(let record)):
      return try goOn(after: attempt, reason, record)
    case (.journalingEnd(let final), .journaled): return bury(final)
    case (.burying(let final), .wrote): return publish(final)
    case (.publishing(let final, _), .wrote(let outcome)): return try didPublish(final, outcome)
    case (.journalingDone(let final), .journaled):
      return settle(final.isUnable ? .never : .done, .final(final))
    case (.dropping(let finish), .journaled), (.dropping(let finish), .notJournaled):
      // Without the entry this worker finds out again that the job is not its own.
      return settle(.later(finish == .foreign ? Self.foreignDelay : .zero), finish)
    case (.journalingRelease(let attempt, let reason), .notJournaled):
      return .journal(.releasing(attempt: attempt, reason))
    case (.journalingEnd(let final), .notJournaled): return .journal(.ended(final))
    case (.journalingDone, .notJournaled): return .journal(.done)
    case (.settling(let finish), .settled):
      state = .finished
      return .finish(finish)
    default: preconditionFailure("a step has the outcome of its own kind")
    }
  }
}
