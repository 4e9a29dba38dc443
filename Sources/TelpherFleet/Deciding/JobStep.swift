/// What a worker does next for a job. It reports the outcome with the input of the same name.
package enum JobStep: Sendable, Equatable {
  /// Read a record: `JobInput.read`.
  case read(RecordName)
  /// Write a record if it has this revision: `JobInput.wrote`.
  case write(RecordName, [UInt8], expecting: Revision?)
  /// Store this in the own journal: `JobInput.journaled` or `.notJournaled`.
  case journal(JournalEntry)
  /// Find out whether a worker is there: `JobInput.found`.
  case find(ClaimOwner)
  /// Start this attempt, and wait for its end: `JobInput.ran`.
  case launch(attempt: Int)
  /// Wait for the end of this attempt, which may have been started: `JobInput.ran`.
  case reattach(attempt: Int)
  /// Settle the delivery, if there is one: `JobInput.settled`.
  case settle(Settlement)
  /// Nothing more.
  case finish(Finish)

  /// How the worker is done with a job.
  package enum Finish: Sendable, Equatable {
    /// It has this final record.
    case final(FinalRecord)
    /// It belongs to another worker.
    case foreign
    /// This worker can't start it at present for this reason, and leaves it to others.
    case released(String)
  }
}

/// The outcome of a step.
package enum JobInput: Sendable, Equatable {
  /// The record; nil if there is none.
  case read(Record?)
  /// What became of the write.
  case wrote(WriteOutcome)
  /// It is stored.
  case journaled
  /// It is not stored, and will not be there after a restart either: there is no room on the disk. If
  /// the next step is the same again, some time must pass before it.
  case notJournaled(String)
  /// Whether the worker is there.
  case found(Bool)
  /// How the attempt ended.
  case ran(RunOutcome)
  /// The broker has taken the settlement.
  case settled
}
