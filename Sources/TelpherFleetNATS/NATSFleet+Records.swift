internal import Synchronization
package import TelpherFleet
internal import TelpherNATS

extension NATSFleet {
  package func record(_ name: RecordName) async throws(FleetError) -> Record? {
    let message = try await fleet { () throws(NATSError) in
      try await jetStream.lastMessage(FleetSubjects.records, FleetSubjects.record(name))
    }
    return message.map { Record(payload: $0.payload, revision: Revision($0.sequence)) }
  }

  package func write(
    _ name: RecordName, _ payload: [UInt8], expecting expected: Revision?
  ) async throws(FleetError) -> WriteOutcome {
    let failure: NATSError
    do throws(NATSError) {
      // All tries of this write have one id, so that it is stored once.
      let stored = try await jetStream.publish(
        FleetSubjects.record(name), payload,
        .init(id: NATSHeaders.randomID(), expectedLastSequence: expected?.number ?? 0),
        to: FleetSubjects.records)
      return .written(Revision(stored.sequence))
    } catch {
      guard error.isWrongLastSequence || error.isUncertain || error.code == .canceled else {
        throw FleetError(error)
      }
      failure = error
    }
    let current = try await record(name)
    // Payloads name their writer, so it is this one's, of this write or of an earlier one that was
    // repeated.
    if let current, current.payload == payload { return .written(current.revision) }
    // With another revision than expected the write can't be stored any more. With the expected one it
    // may still arrive.
    if current?.revision != expected { return .conflict(current) }
    throw FleetError(
      failure.isWrongLastSequence ? .unreachable : .uncertain, failure.message)
  }

  package func records(
    _ kind: RecordName.Kind, after position: Revision?, limit: Int
  ) async throws(FleetError) -> [RecordEntry] {
    let found = try await stored(
      FleetSubjects.records, FleetSubjects.records(kind), after: position?.number, limit: limit)
    return found.compactMap(\.entry)
  }

  package func traces(of job: JobID) async throws(FleetError) -> JobTraces {
    let places = try await all(FleetSubjects.jobs, FleetSubjects.places(of: job))
    let records = try await all(FleetSubjects.records, FleetSubjects.records(of: job))
    return JobTraces(
      queued: places.compactMap(\.queuedJob), records: records.compactMap(\.entry))
  }

  /// The messages of a stream with this subject, as its leader has them, one request for each. For the
  /// few messages of one job.
  private func all(
    _ stream: String, _ filter: NATSSubject
  ) async throws(FleetError) -> [StoredMessage] {
    var found: [StoredMessage] = []
    while found.count < FleetLimits.maxTraces {
      let next = try await fleet { [last = found.last] () throws(NATSError) in
        try await jetStream.nextMessage(stream, filter, from: (last?.sequence ?? 0) + 1)
      }
      guard let next else { return found }
      found.append(next)
    }
    throw FleetError(
      .broken, "the broker has more than \(FleetLimits.maxTraces) entries of one job")
  }

  /// How long a wait for a record relies on the broker's messages before it reads the record again:
  /// a message that comes while the connection is being restored is missed.
  private static let reading = Duration.seconds(5)

  package func change(
    of names: [RecordName], from known: [RecordName: Revision], within limit: Duration
  ) async throws(FleetError) -> RecordEntry? {
    let (signals, continuation) = AsyncStream.makeStream(
      of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let shared = Shared(Mutex(nil))
    var subscriptions: [NATSConnection.Subscription] = []
    for name in names {
      subscriptions.append(
        await connection.subscribe(FleetSubjects.announcement(name)) { outcome in
          if case .failure(let error) = outcome { shared.failure.withLock { $0 = error } }
          continuation.yield()
        })
    }
    defer {
      Task { [connection, subscriptions] in
        for subscription in subscriptions { await connection.unsubscribe(subscription) }
      }
    }
    try await fleet { () throws(NATSError) in try await connection.flush() }
    let end = ContinuousClock.now + limit
    // The first look at the record, one every few seconds, and the last.
    let ticker = Task {
      repeat {
        continuation.yield()
        let left = max(end - ContinuousClock.now, .zero)
        do { try await Task.sleep(for: min(left, Self.reading)) } catch { return }
      } while ContinuousClock.now < end
      continuation.yield()
    }
    defer { ticker.cancel() }
    for await _ in signals {
      let isLast = ContinuousClock.now >= end
      for name in names {
        if let record = try await record(name), record.revision != known[name] {
          return RecordEntry(name, record)
        }
      }
      if let error = shared.failure.withLock({ $0 }) { throw FleetError(error) }
      if isLast { return nil }
    }
    throw FleetError(.uncertain, "the wait for a record was canceled")
  }

  private final class Shared: Sendable {
    let failure: Mutex<NATSError?>
    init(_ failure: consuming Mutex<NATSError?>) { self.failure = failure }
  }
}

extension StoredMessage {
  /// The record that it holds; nil if it is none of a fleet.
  fileprivate var entry: RecordEntry? {
    FleetSubjects.recordName(subject).map {
      RecordEntry($0, Record(payload: payload, revision: Revision(sequence)))
    }
  }

  /// The job that it holds; nil if it is none of a fleet.
  var queuedJob: QueuedJob? {
    FleetSubjects.job(subject).map { job, queue in
      QueuedJob(position: Position(sequence), job: job, queue: queue, payload: payload)
    }
  }
}
