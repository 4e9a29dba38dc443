/// What a worker has said about itself.
package struct WorkerEntry: Sendable, Equatable {
  /// Its name.
  package let worker: WorkerName
  /// What it said.
  package let payload: [UInt8]
  /// How long ago, by the broker's clock.
  package let age: Duration

  /// An entry of the list of workers.
  package init(worker: WorkerName, payload: [UInt8], age: Duration) {
    self.worker = worker
    self.payload = payload
    self.age = age
  }
}

/// What became of a call to a worker.
package enum CallOutcome: Sendable, Equatable {
  /// Its answer.
  case answer([UInt8])
  /// No worker with this name is connected, or it did not answer in time. It may have received the
  /// call.
  case unreachable
}
