/// The name of a record about a job. The broker keeps one newest value of each, and lets only workers of
/// the queue write the records of its jobs, but `cancel`, which only submitters write.
package struct RecordName: Sendable, Hashable {
  /// The kinds of records.
  package enum Kind: String, Sendable, CaseIterable {
    /// Which worker runs a job, or how it ends without one.
    case claim
    /// How it ended.
    case result
    /// The payload of a job that no worker can run.
    case dead
    /// That the job must not be started any more.
    case cancel
  }

  /// What it says.
  package let kind: Kind
  /// About which job.
  package let job: JobID
  /// The queue of the job.
  package let queue: QueueName

  /// The record of this kind about this job of this queue.
  package init(_ kind: Kind, _ job: JobID, of queue: QueueName) {
    self.kind = kind
    self.job = job
    self.queue = queue
  }
}

/// The version of a record. Each write gives it a greater one. Only an engine makes them.
package struct Revision: Sendable, Hashable, Comparable {
  /// The broker's number.
  package let number: UInt64

  /// A revision by the broker's number.
  package init(_ number: UInt64) { self.number = number }

  package static func < (a: Revision, b: Revision) -> Bool { a.number < b.number }
}

/// The newest value of a record.
package struct Record: Sendable, Equatable {
  /// What was written.
  package let payload: [UInt8]
  /// Its version.
  package let revision: Revision

  /// A value of a record.
  package init(payload: [UInt8], revision: Revision) {
    self.payload = payload
    self.revision = revision
  }
}

/// A record in a list.
package struct RecordEntry: Sendable, Equatable {
  /// Which record it is.
  package let name: RecordName
  /// Its newest value.
  package let record: Record

  /// An entry of a list.
  package init(_ name: RecordName, _ record: Record) {
    self.name = name
    self.record = record
  }
}

/// All that a broker has of a job.
package struct JobTraces: Sendable, Equatable {
  /// Its places in queues, the oldest first: more than one if it was submitted again after the broker
  /// had forgotten its id.
  package let queued: [QueuedJob]
  /// Its records.
  package let records: [RecordEntry]

  /// What a broker has.
  package init(queued: [QueuedJob], records: [RecordEntry]) {
    (self.queued, self.records) = (queued, records)
  }

  /// The queue of the job; nil if the broker has nothing of it.
  ///
  /// - Throws: `FleetError` (`broken`) if there is more than one. Each worker can write records of any
  ///   id in its own queues, so it is not known then which records are those of the job.
  package func queue() throws(FleetError) -> QueueName? {
    let queues = Set(queued.map(\.queue) + records.map(\.name.queue)).sorted()
    guard queues.count < 2 else {
      let names = queues.map(\.description).joined(separator: " and ")
      throw FleetError(
        .broken,
        "the broker has something of this job in the queues \(names); a member of the fleet has written records that are not true, or has submitted another job with this id"
      )
    }
    return queues.first
  }

  /// The record of a kind, if the job has only one queue.
  package func record(_ kind: RecordName.Kind) -> Record? {
    records.first { $0.name.kind == kind }?.record
  }
}

/// The outcome of a write that expects a revision.
package enum WriteOutcome: Sendable, Equatable {
  /// It was written.
  case written(Revision)
  /// The record has another revision; nil if it does not exist.
  case conflict(Record?)
}
