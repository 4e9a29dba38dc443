/// The name of a record about a job. The broker keeps one newest value of each.
package struct RecordName: Sendable, Hashable {
  /// The kinds of records.
  package enum Kind: String, Sendable, CaseIterable {
    /// Which worker runs a job, or how it ends without one.
    case claim
    /// How it ended.
    case result
    /// The payload of a job that no worker can run.
    case dead
  }

  /// What it says.
  package let kind: Kind
  /// About which job.
  package let job: JobID

  /// The record of this kind about this job.
  package init(_ kind: Kind, _ job: JobID) {
    self.kind = kind
    self.job = job
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

/// The outcome of a write that expects a revision.
package enum WriteOutcome: Sendable, Equatable {
  /// It was written.
  case written(Revision)
  /// The record has another revision; nil if it does not exist.
  case conflict(Record?)
}
