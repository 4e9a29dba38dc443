/// The attempts to run a job: their start, their end, and what follows if there was none.
extension JobDecision {
  /// This worker has the claim.
  mutating func start(_ attempt: Int) -> JobStep {
    if isCanceled { return endCanceled(attempt) }
    state = .checkingStart(attempt: attempt)
    return .read(RecordName(.cancel, job, of: queue))
  }

  mutating func start(_ attempt: Int, _ cancel: Record?) -> JobStep {
    if isCanceled || cancel != nil { return endCanceled(attempt) }
    state = .journalingStart(attempt: attempt)
    return .journal(.starting(attempt: attempt))
  }

  /// The job is canceled, and this attempt was not started.
  mutating func endCanceled(_ attempt: Int) -> JobStep {
    guard attempt > 1 else { return end(.canceled(nil), 0) }
    return end(
      .lost("it was canceled before its attempt \(attempt), and the one before was lost"),
      attempt - 1)
  }

  mutating func didRun(_ attempt: Int, _ outcome: RunOutcome) -> JobStep {
    let reason: String
    switch outcome {
    case .ended(let end):
      return self.end(end.status == .canceled ? .canceled(end) : .ended(end), attempt)
    case .interrupted(let end):
      guard nextPolicy != nil else { return self.end(.ended(end), attempt) }
      reason = "its worker \(me.worker) was shut down"
    case .notStarted(let reason):
      if isCanceled { return endCanceled(attempt) }
      state = .journalingRelease(attempt: attempt, reason)
      return .journal(.releasing(attempt: attempt, reason))
    case .unknown(let text): reason = text
    }
    state = .readingClaim(attempt: attempt, reason)
    return .read(claim)
  }

  /// The policy by which a lost attempt is followed by another one; nil if none may follow.
  private var nextPolicy: FleetJob.Policy? {
    if !isCanceled, case .runs(let policy) = verdict, policy != .once { policy } else { nil }
  }

  /// The attempt was lost. If the job is still this worker's, it is started again if that may be, or ends.
  mutating func goOn(
    after attempt: Int, _ reason: String, _ record: Record?
  ) throws(FleetError) -> JobStep {
    var reached = attempt
    if let record {
      switch try Claim(payload: record.payload, of: job) {
      case .end(let final): return endAs(final)
      case .free: return giveBack()
      case .run(let holder):
        guard holder.owner == me else { return giveBack() }
        // A claim after this attempt is not in the journal, so it was never started.
        if holder.attempt > attempt { return start(holder.attempt) }
        reached = max(attempt, holder.attempt)
      }
    }
    guard let policy = nextPolicy else { return end(.lost(reason), attempt) }
    guard reached < policy.maxAttempts else {
      return end(.exhausted("\(reason), after \(reached) attempts"), reached)
    }
    return decide(ClaimAttempt(attempt: reached + 1, expected: record?.revision))
  }
}

// MARK: Giving the claim away

extension JobDecision {
  mutating func readRelease(_ attempt: Int, _ reason: String) -> JobStep {
    state = .readingRelease(attempt: attempt, reason)
    return .read(claim)
  }

  /// This worker has not started the attempt, and its journal says so: another one may have it.
  mutating func release(
    _ attempt: Int, _ reason: String, _ record: Record?
  ) throws(FleetError) -> JobStep {
    // Without a claim, each worker begins with the first attempt.
    guard let record else { return drop(.released(reason)) }
    switch try Claim(payload: record.payload, of: job) {
    case .end(let final): return endAs(final)
    case .free: return drop(.released(reason))
    case .run(let holder):
      guard holder.owner == me else { return drop(.foreign) }
      if isCanceled { return endCanceled(holder.attempt) }
      state = .releasing(holder, reason)
      return .write(
        claim, Claim.free(holder, reason: reason).payload, expecting: record.revision)
    }
  }
}
