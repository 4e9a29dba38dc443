extension FleetClient {
  /// The entries that are read from the broker at once.
  private static let page = 200

  /// What is known about a job; nil if the broker knows nothing of it.
  ///
  /// - Throws: `FleetError`: `broken` if a record can't be read, or if the job has records in more than one
  ///   queue.
  package func status(of job: JobID) async throws(FleetError) -> Status? {
    let traces = try await engine.traces(of: job)
    guard let queue = try traces.queue() else { return nil }
    var status = Status(id: job, queue: queue)
    status.queued = traces.queued.first
    for entry in traces.records { try status.take(entry) }
    var isGone = false
    if let holder = status.holderOfCanceled {
      isGone = try await !engine.workers().contains { $0.worker == holder }
    }
    status.conclude(isGone: isGone)
    return status
  }

  /// The jobs that have not ended, the oldest first; with those that have, if wanted. A record that
  /// can't be read is noted in the status of its job: it must not hide the others.
  ///
  /// - Parameter limit: the most entries.
  package func list(all: Bool, limit: Int) async throws(FleetError) -> [Status] {
    /// The records of one id in two queues are two jobs in the list.
    struct Key: Hashable {
      let job: JobID
      let queue: QueueName
    }
    var entries: [Key: Status] = [:]
    var order: [Key] = []
    func change(_ job: JobID, _ queue: QueueName, _ body: (inout Status) -> Void) {
      let key = Key(job: job, queue: queue)
      if entries[key] == nil { order.append(key) }
      body(&entries[key, default: Status(id: job, queue: queue)])
    }
    if all {
      for kind in [RecordName.Kind.result, .cancel] {
        for entry in try await records(kind, limit: limit) {
          change(entry.name.job, entry.name.queue) { try? $0.take(entry) }
        }
      }
    }
    var position: Position?
    while order.count < limit {
      let page = try await engine.queued(after: position, limit: Self.page)
      for queued in page {
        var found: [RecordEntry] = []
        for kind in [RecordName.Kind.claim, .result, .cancel] {
          let name = RecordName(kind, queued.job, of: queued.queue)
          if let record = try await engine.record(name) {
            found.append(RecordEntry(name, record))
          }
        }
        change(queued.job, queued.queue) { status in
          status.queued = queued
          for entry in found { try? status.take(entry) }
        }
      }
      guard page.count == Self.page, let last = page.last else { break }
      position = last.position
    }
    return order.prefix(limit).compactMap { key in
      // Whether the worker of a canceled job is gone is not looked up for a list.
      entries[key]?.conclude(isGone: false)
      return entries[key]
    }
  }

  private func records(
    _ kind: RecordName.Kind, limit: Int
  ) async throws(FleetError) -> [RecordEntry] {
    var entries: [RecordEntry] = []
    while entries.count < limit {
      let page = try await engine.records(
        kind, after: entries.last?.record.revision, limit: Self.page)
      entries += page
      if page.count < Self.page { break }
    }
    return entries
  }
}
