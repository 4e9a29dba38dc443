/// What a worker has stored about a job in its own journal, so that it knows after a restart what it may
/// have done.
///
///     claiming -> starting -> ended -> done
///     claiming -> dropped                      the claim is another worker's
///     starting -> claiming                     the attempt was lost, and the next one begins
///     starting -> releasing -> dropped         it could not be started, and is left to other workers
package enum JournalEntry: Sendable, Equatable {
  /// It tries to get the claim. It has not started this attempt.
  case claiming(ClaimAttempt)
  /// It has the claim, and may have started this attempt. This is on the disk before the start.
  case starting(attempt: Int)
  /// It could not start this attempt for this reason, and gives the claim away. This is on the disk
  /// before another worker can have the claim, since `starting` would say that it may have started it.
  case releasing(attempt: Int, String)
  /// The job has this end for this worker. It is on the disk before it is reported.
  case ended(FinalRecord)
  /// The broker has a final record. The worker remembers that it must not start the job again.
  case done
  /// The worker has nothing to do with it.
  case dropped

  /// Whether it must be on the disk before the worker goes on. The others may get lost if the machine
  /// loses its power: the worker then does the step again.
  package var mustBeFlushed: Bool {
    switch self {
    case .starting, .releasing, .ended: true
    case .claiming, .done, .dropped: false
    }
  }
}

/// An attempt to get the claim of a job.
package struct ClaimAttempt: Sendable, Equatable {
  /// The number that the attempt gets, from 1.
  package var attempt: Int
  /// The revision of the claim that it replaces; nil for none.
  package var expected: Revision?

  /// An attempt.
  package init(attempt: Int, expected: Revision?) {
    self.attempt = attempt
    self.expected = expected
  }
}
