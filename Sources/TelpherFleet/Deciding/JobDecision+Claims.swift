/// Decides which worker gets the claim of a job, and what happens to a job that another worker has.
extension JobDecision {
  /// Nothing has ended the job yet.
  mutating func decide(_ attempt: ClaimAttempt) -> JobStep {
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

  mutating func takeClaim(_ attempt: ClaimAttempt) -> JobStep {
    state = .claiming(attempt)
    let holder = ClaimHolder(me, attempt: attempt.attempt)
    return .write(claim, Claim.run(holder).payload, expecting: attempt.expected)
  }

  mutating func claimEnd(_ final: FinalRecord, _ expected: Revision?) -> JobStep {
    state = .claimingEnd(final, expected: expected)
    return .write(claim, Claim.end(final).payload, expecting: expected)
  }

  /// The claim is not the one that was expected.
  mutating func meet(
    _ record: Record, trying attempt: ClaimAttempt
  ) throws(FleetError) -> JobStep {
    switch try Claim(payload: record.payload, of: job) {
    case .end(let final): return endAs(final)
    case .run(let holder):
      guard holder.owner == me else { return find(holder, record.revision) }
      // It is this worker's. The journal has no start of this attempt, so it was never started.
      guard holder.attempt < attempt.attempt else { return start(holder.attempt) }
      return takeClaim(ClaimAttempt(attempt: attempt.attempt, expected: record.revision))
    case .free(let holder, _):
      // The journal has a claim of an earlier attempt, or of this one; either way none was started.
      return takeClaim(ClaimAttempt(attempt: holder.attempt, expected: record.revision))
    }
  }

  mutating func meet(
    _ record: Record, ending final: FinalRecord
  ) throws(FleetError) -> JobStep {
    switch try Claim(payload: record.payload, of: job) {
    case .end(let other): return endAs(other)
    case .run(let holder):
      guard holder.owner == me else { return find(holder, record.revision) }
      // As above: this worker has the claim, and has not started the job.
      return endAs(final)
    case .free: return claimEnd(final, record.revision)
    }
  }

  /// The claim says that the job ends without a worker. If it is canceled too, that counts.
  mutating func endAs(_ final: FinalRecord) -> JobStep {
    state = .checkingEnd(final)
    return .read(RecordName(.cancel, job, of: queue))
  }

  mutating func find(_ holder: ClaimHolder, _ revision: Revision) -> JobStep {
    state = .finding(holder, revision)
    return .find(holder.owner)
  }

  /// The job is that of another worker, which is there.
  mutating func giveBack() -> JobStep {
    guard isJournaled else { return settle(.later(Self.foreignDelay), .foreign) }
    return drop(.foreign)
  }

  /// Nothing is left to do here for a job that has not ended.
  mutating func drop(_ finish: JobStep.Finish) -> JobStep {
    isJournaled = false
    state = .dropping(finish)
    return .journal(.dropped)
  }

  /// The holder of the claim is gone.
  mutating func takeOver(from holder: ClaimHolder, _ revision: Revision) -> JobStep {
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

  mutating func publishLoss(
    _ outcome: FinalRecord.Outcome, of holder: ClaimHolder
  ) -> JobStep {
    bury(final(outcome, holder.owner.worker, holder.attempt))
  }
}
