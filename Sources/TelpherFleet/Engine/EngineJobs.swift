/// What a broker says to a submitted job.
package enum Submission: Sendable, Equatable {
  /// It is new and stored.
  case accepted
  /// It was stored before.
  case duplicate
}

/// A job that the broker has given to this worker, until its time for work has passed.
package struct Delivery: Sendable, Equatable {
  /// Its id, as the broker has it.
  package let job: JobID
  /// The queue from which it came.
  package let queue: QueueName
  /// What was submitted.
  package let payload: [UInt8]
  /// How the engine finds it again to settle it; of no meaning to others.
  package let handle: String

  /// A delivered job.
  package init(job: JobID, queue: QueueName, payload: [UInt8], handle: String) {
    self.job = job
    self.queue = queue
    self.payload = payload
    self.handle = handle
  }
}

/// What becomes of a delivered job.
package enum Settlement: Sendable, Equatable {
  /// The worker still has it: its time for work begins anew.
  case working
  /// It has a final record: the broker removes it.
  case done
  /// Another worker, or this one, gets it after this time.
  case later(Duration)
  /// It can't run: the broker removes it.
  case never
}

/// The place of a job in the order of all queued jobs. Only an engine makes them.
package struct Position: Sendable, Hashable, Comparable {
  /// The broker's number.
  package let number: UInt64

  /// A place by the broker's number.
  package init(_ number: UInt64) { self.number = number }

  package static func < (a: Position, b: Position) -> Bool { a.number < b.number }
}

/// A job that waits in a queue, or that a worker has taken but not settled.
package struct QueuedJob: Sendable, Equatable {
  /// Its place in the order of all.
  package let position: Position
  /// Its id.
  package let job: JobID
  /// Its queue.
  package let queue: QueueName
  /// What was submitted.
  package let payload: [UInt8]

  /// An entry of the list.
  package init(position: Position, job: JobID, queue: QueueName, payload: [UInt8]) {
    self.position = position
    self.job = job
    self.queue = queue
    self.payload = payload
  }
}

/// A queue in a list.
package struct QueueInfo: Sendable, Equatable {
  /// Its name.
  package let name: QueueName
  /// The number of jobs that no worker has.
  package let waiting: Int
  /// The number of jobs that were given to workers and are not settled.
  package let taken: Int

  /// An entry of the list.
  package init(name: QueueName, waiting: Int, taken: Int) {
    self.name = name
    self.waiting = waiting
    self.taken = taken
  }
}
