package import TelpherFleet
package import TelpherNATS
package import TelpherTransport

/// A fleet's engine on nats-server with JetStream. `FleetSubjects` has the names.
package struct NATSFleet: Sendable {
  let jetStream: JetStream
  var connection: NATSConnection { jetStream.connection }

  /// How many calls for jobs may wait at one queue: those of all workers' slots.
  static let maxWaiting = 5_000
  /// The key of the time for work in the metadata of the stream of jobs.
  static let workTimeKey = "telpher-work-ms"

  /// A fleet over a connection.
  ///
  /// - Parameter api: what the subjects of requests to JetStream begin with; see `FleetMember.api`.
  package init(_ connection: NATSConnection, api: NATSSubject = JetStream.usualAPI) {
    jetStream = JetStream(connection, api: api)
  }

  /// Connects to the broker.
  ///
  /// - Parameters:
  ///   - api: what the subjects of requests to JetStream begin with; see `FleetMember.api`.
  ///   - limit: how long to try.
  /// - Throws: `FleetError`: `unreachable`; `refused` if the credentials are wrong.
  package static func connect(
    _ configuration: NATSConfiguration, on loop: any EventLoop,
    api: NATSSubject = JetStream.usualAPI, within limit: Duration = .seconds(10)
  ) async throws(FleetError) -> NATSFleet {
    try await fleet { () throws(NATSError) in
      NATSFleet(
        try await NATSConnection.connect(configuration, on: loop, within: limit), api: api)
    }
  }

  /// Closes the connection.
  package func close() async { await connection.close() }

  func bucket() throws(NATSError) -> NATSBucket {
    try NATSBucket(FleetSubjects.workers, jetStream)
  }
}

extension NATSFleet: FleetEngine {
  // MARK: Setting up

  package func setUp(_ settings: EngineSettings) async throws(FleetError) {
    var jobs = StreamSettings(name: FleetSubjects.jobs, subjects: [FleetSubjects.allJobs.text])
    jobs.retention = .workqueue
    jobs.discard = .new
    jobs.replicas = settings.replicas
    jobs.maxAge = settings.jobAge.nanoseconds
    jobs.duplicateWindow = settings.duplicateWindow.nanoseconds
    jobs.allowDirect = true
    jobs.metadata = [Self.workTimeKey: "\(settings.workTime.nanoseconds / 1_000_000)"]
    var records = StreamSettings(
      name: FleetSubjects.records,
      subjects: RecordName.Kind.allCases.map { FleetSubjects.records($0).text })
    records.replicas = settings.replicas
    records.maxAge = settings.recordAge.nanoseconds
    records.maxMessagesPerSubject = 1
    records.allowDirect = true
    records.announcement = FleetSubjects.announcements
    let streams = [jobs, records]
    try await fleet { () throws(NATSError) in
      for stream in streams { try await jetStream.ensure(stream) }
      try await jetStream.ensure(
        bucket().settings(
          replicas: settings.replicas, maxAge: settings.workerAge.nanoseconds))
    }
  }

  package func addQueue(_ queue: QueueName) async throws(FleetError) {
    let settings = try await fleet { () throws(NATSError) in
      try await jetStream.settings(ofStream: FleetSubjects.jobs)
    }
    guard let text = settings?.metadata[Self.workTimeKey], let milliseconds = UInt64(text) else {
      throw FleetError(.absent, "the broker has no fleet; 'telpher fleet enroll' sets it up")
    }
    var consumer = ConsumerSettings(
      name: FleetSubjects.consumer(queue), filter: FleetSubjects.jobs(of: queue))
    consumer.ackWait = milliseconds * 1_000_000
    consumer.maxWaiting = Self.maxWaiting
    let wanted = consumer
    try await fleet { () throws(NATSError) in
      try await jetStream.ensure(wanted, of: FleetSubjects.jobs)
    }
  }

  package func queues() async throws(FleetError) -> [QueueInfo] {
    let consumers = try await fleet { () throws(NATSError) in
      try await jetStream.consumers(of: FleetSubjects.jobs)
    }
    return consumers.compactMap { consumer in
      FleetSubjects.queue(consumer: consumer.name).map {
        QueueInfo(
          name: $0, waiting: Int(clamping: consumer.waiting), taken: consumer.unacknowledged)
      }
    }.sorted { $0.name < $1.name }
  }

  package func has(_ queue: QueueName) async throws(FleetError) -> Bool {
    try await fleet { () throws(NATSError) in
      try await jetStream.pending(FleetSubjects.jobs, FleetSubjects.consumer(queue))
    } != nil
  }

  // MARK: Jobs

  package func submit(
    _ payload: [UInt8], id: JobID, to queue: QueueName
  ) async throws(FleetError) -> Submission {
    let stored = try await fleet { () throws(NATSError) in
      try await jetStream.publish(
        FleetSubjects.job(id, queue), payload, .init(id: id.description), to: FleetSubjects.jobs)
    }
    return stored.isDuplicate ? .duplicate : .accepted
  }

  package func next(
    of queue: QueueName, within limit: Duration
  ) async throws(FleetError) -> Delivery? {
    guard let message = try await pull(queue, within: limit) else { return nil }
    guard let (job, queue) = FleetSubjects.job(message.subject) else {
      // Nothing can be said about it, not even that it is dead: it has no id.
      try await fleet { () throws(NATSError) in
        try await jetStream.settle(message, .never("its subject is none of a job"))
      }
      return nil
    }
    return Delivery(
      job: job, queue: queue, payload: message.payload, handle: message.acknowledgement.text)
  }

  /// The pause after a call for jobs that the broker has broken off, for example because it has chosen
  /// another leader.
  private static let pause = Duration.milliseconds(200)

  /// Calls for a job, again and again until the time is over.
  private func pull(
    _ queue: QueueName, within limit: Duration
  ) async throws(FleetError) -> PulledMessage? {
    let consumer = FleetSubjects.consumer(queue)
    let end = ContinuousClock.now + limit
    while true {
      let failure: NATSError
      do throws(NATSError) {
        return try await jetStream.pull(
          FleetSubjects.jobs, consumer, within: max(end - ContinuousClock.now, .zero))
      } catch {
        failure = error
      }
      switch failure.code {
      case .noResponders, .refused:
        let state = try await fleet { () throws(NATSError) in
          try await jetStream.pending(FleetSubjects.jobs, consumer)
        }
        guard state != nil else {
          throw FleetError(
            .absent, "the broker has no queue \(queue); 'telpher fleet enroll' makes it")
        }
      case .disconnected, .timedOut, .notSent, .unreachable: break
      case .badAddress, .notAuthorized, .notPermitted, .violation, .tooLarge, .closed, .canceled:
        throw FleetError(failure)
      }
      guard ContinuousClock.now + Self.pause < end else { return nil }
      do { try await Task.sleep(for: Self.pause) } catch {
        throw FleetError(.uncertain, "the call for a job was canceled")
      }
    }
  }

  package func settle(
    _ delivery: Delivery, _ settlement: Settlement
  ) async throws(FleetError) {
    try await fleet { () throws(NATSError) in
      let place = try NATSSubject(delivery.handle)
      switch settlement {
      case .working: try await jetStream.settleSoon(at: place, .working)
      case .later(let delay): try await jetStream.settleSoon(at: place, .later(delay))
      case .done: try await jetStream.settle(at: place, .done)
      case .never: try await jetStream.settle(at: place, .never("it can't run"))
      }
    }
  }

  package func queued(
    after position: Position?, limit: Int
  ) async throws(FleetError) -> [QueuedJob] {
    let found = try await stored(
      FleetSubjects.jobs, FleetSubjects.allJobs, after: position?.number, limit: limit)
    return found.compactMap(\.queuedJob)
  }

  package func remove(_ job: QueuedJob) async throws(FleetError) {
    _ = try await fleet { () throws(NATSError) in
      try await jetStream.delete(FleetSubjects.jobs, sequence: job.position.number)
    }
  }

  /// The messages of a stream after a number.
  func stored(
    _ stream: String, _ filter: NATSSubject, after number: UInt64?, limit: Int
  ) async throws(FleetError) -> [StoredMessage] {
    let pageLength = 256
    var found: [StoredMessage] = []
    var next = (number ?? 0) + 1
    while found.count < limit {
      let page = try await fleet { [next, count = found.count] () throws(NATSError) in
        try await jetStream.messages(
          stream, filter, from: next, batch: min(pageLength, limit - count))
      }
      found += page.messages
      guard page.hasMore, let last = page.messages.last else { break }
      next = last.sequence + 1
    }
    return found
  }
}
