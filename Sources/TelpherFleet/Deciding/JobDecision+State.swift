extension JobDecision {
  /// What it waits for. Each case says what comes next.
  enum State: Sendable, Equatable {
    /// For the final record. Then the claim, or the end.
    case readingResult(ClaimAttempt)
    /// For the journal. Then the claim.
    case journalingClaim(ClaimAttempt)
    /// For the claim. Then the start, another worker's state, or the final record in the claim.
    case claiming(ClaimAttempt)
    /// For the claim that says that the job ends without a worker. Then the same as `claiming`.
    case claimingEnd(FinalRecord, expected: Revision?)
    /// For whether the holder of the claim is there. Then it is given back, taken over or lost.
    case finding(ClaimHolder, Revision)
    /// For whether the job is canceled, after the claim. Then the journal.
    case checkingStart(attempt: Int)
    /// The same for a job that ends without a worker. Then that end, or that it is canceled.
    case checkingEnd(FinalRecord)
    /// For the journal. Then the launch.
    case journalingStart(attempt: Int)
    /// For the end of the command. Then the journal, or the own claim.
    case running(attempt: Int)
    /// For the journal, because this worker could not start this attempt. Then the own claim.
    case journalingRelease(attempt: Int, String)
    /// For the own claim, which is to be given away. Then that.
    case readingRelease(attempt: Int, String)
    /// For the claim that says that it is free. Then the journal.
    case releasing(ClaimHolder, String)
    /// For the own claim, whose attempt was lost for this reason. Then the next attempt, or the end.
    case readingClaim(attempt: Int, String)
    /// For the journal. Then the final record.
    case journalingEnd(FinalRecord)
    /// For the payload's copy, if the job can't run. Then the final record.
    case burying(FinalRecord)
    /// For the final record. Then the journal.
    case publishing(FinalRecord, expected: Revision?)
    /// For the journal. Then the settlement.
    case journalingDone(FinalRecord)
    /// For the journal. Then the settlement: the job is another worker's.
    case dropping(JobStep.Finish)
    /// For the settlement. Then nothing.
    case settling(JobStep.Finish)
    /// For nothing.
    case finished
  }
}
