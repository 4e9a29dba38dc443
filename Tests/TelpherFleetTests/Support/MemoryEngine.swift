import Synchronization

@testable import TelpherFleet

/// A broker in memory. Times are those of the process's monotonic clock.
final class MemoryEngine: FleetEngine {
  struct State {
    var queue: [QueuedJob] = []
    /// When a delivered job may be delivered again.
    var taken: [JobID: (until: ContinuousClock.Instant, handle: String)] = [:]
    var records: [RecordName: Record] = [:]
    var writes: [RecordName: Int] = [:]
    var number: UInt64 = 0
    var announcements: [WorkerName: (payload: [UInt8], time: ContinuousClock.Instant)] = [:]
    var answerers: [WorkerName: @Sendable ([UInt8]) async -> [UInt8]] = [:]
    var submitted: Set<JobID> = []
    var settlements: [Settlement] = []
    /// The number of pages of the queues that were read.
    var pages = 0
    /// The number of questions about all of a job.
    var looks = 0
    /// The number of waits for records.
    var changes = 0
    /// Called before each call; throws to let it fail.
    var fault: (@Sendable () throws(FleetError) -> Void)?
  }

  let settings: EngineSettings
  let state = Mutex(State())
  private static let pause = Duration.milliseconds(2)

  /// Looks at the state, or changes it.
  func with<Value: Sendable>(_ body: (inout sending State) -> sending Value) -> Value {
    state.withLock(body)
  }

  init(workTime: Duration = .seconds(30), workerAge: Duration = .seconds(30)) {
    var settings = EngineSettings()
    (settings.workTime, settings.workerAge) = (workTime, workerAge)
    self.settings = settings
  }

  private func check() throws(FleetError) {
    if let fault = state.withLock({ $0.fault }) { try fault() }
  }

  func setUp(_ settings: EngineSettings) async throws(FleetError) {}
  func addQueue(_ queue: QueueName) async throws(FleetError) {}

  func queues() async throws(FleetError) -> [QueueInfo] {
    state.withLock { state in
      Set(state.queue.map(\.queue)).sorted().map { name in
        let jobs = state.queue.filter { $0.queue == name }
        let taken = jobs.count { state.taken[$0.job] != nil }
        return QueueInfo(name: name, waiting: jobs.count - taken, taken: taken)
      }
    }
  }

  func submit(
    _ payload: [UInt8], id: JobID, to queue: QueueName
  ) async throws(FleetError) -> Submission {
    try check()
    return state.withLock { state in
      guard state.submitted.insert(id).inserted else { return .duplicate }
      state.number += 1
      state.queue.append(
        QueuedJob(position: Position(state.number), job: id, queue: queue, payload: payload))
      return .accepted
    }
  }

  func next(of queue: QueueName, within limit: Duration) async throws(FleetError) -> Delivery? {
    let end = ContinuousClock.now + limit
    repeat {
      try check()
      let delivery = state.withLock { state -> Delivery? in
        let now = ContinuousClock.now
        let found = state.queue.first {
          $0.queue == queue && (state.taken[$0.job].map { $0.until <= now } ?? true)
        }
        guard let found else { return nil }
        state.number += 1
        let handle = "\(state.number)"
        state.taken[found.job] = (now + settings.workTime, handle)
        return Delivery(job: found.job, queue: queue, payload: found.payload, handle: handle)
      }
      if let delivery { return delivery }
      do { try await Task.sleep(for: Self.pause) } catch {
        throw FleetError(.uncertain, "canceled")
      }
    } while ContinuousClock.now < end
    return nil
  }

  func settle(_ delivery: Delivery, _ settlement: Settlement) async throws(FleetError) {
    try check()
    state.withLock { state in
      state.settlements.append(settlement)
      guard state.taken[delivery.job]?.handle == delivery.handle else { return }
      switch settlement {
      case .working: state.taken[delivery.job]!.until = .now + settings.workTime
      case .later(let delay): state.taken[delivery.job]!.until = .now + delay
      case .done, .never:
        state.queue.removeAll { $0.job == delivery.job }
        state.taken[delivery.job] = nil
      }
    }
  }

  func queued(after position: Position?, limit: Int) async throws(FleetError) -> [QueuedJob] {
    state.withLock { state in
      state.pages += 1
      return Array(
        state.queue.filter { job in position.map { $0 < job.position } ?? true }.prefix(limit))
    }
  }

  func has(_ queue: QueueName) async throws(FleetError) -> Bool { true }

  func traces(of job: JobID) async throws(FleetError) -> JobTraces {
    try check()
    return state.withLock { state in
      state.looks += 1
      return JobTraces(
        queued: state.queue.filter { $0.job == job },
        records: state.records.filter { $0.key.job == job }
          .map { RecordEntry($0.key, $0.value) }
          .sorted { $0.record.revision < $1.record.revision })
    }
  }

  func remove(_ job: QueuedJob) async throws(FleetError) {
    state.withLock { $0.queue.removeAll { $0.position == job.position } }
  }

  func record(_ name: RecordName) async throws(FleetError) -> Record? {
    try check()
    return state.withLock { $0.records[name] }
  }

  func write(
    _ name: RecordName, _ payload: [UInt8], expecting expected: Revision?
  ) async throws(FleetError) -> WriteOutcome {
    try check()
    guard payload.count <= FleetLimits.maxRecordLength else {
      throw FleetError(.tooLarge, "a record has \(payload.count) bytes")
    }
    return state.withLock { state in
      guard state.records[name]?.revision == expected else { return .conflict(state.records[name]) }
      state.number += 1
      state.writes[name, default: 0] += 1
      state.records[name] = Record(payload: payload, revision: Revision(state.number))
      return .written(Revision(state.number))
    }
  }

  func records(
    _ kind: RecordName.Kind, after position: Revision?, limit: Int
  ) async throws(FleetError) -> [RecordEntry] {
    state.withLock { state in
      let entries = state.records.filter { name, record in
        name.kind == kind && (position.map { $0 < record.revision } ?? true)
      }
      return Array(
        entries.map { RecordEntry($0.key, $0.value) }
          .sorted { $0.record.revision < $1.record.revision }.prefix(limit))
    }
  }

  func change(
    of names: [RecordName], from known: [RecordName: Revision], within limit: Duration
  ) async throws(FleetError) -> RecordEntry? {
    state.withLock { $0.changes += 1 }
    let end = ContinuousClock.now + limit
    repeat {
      for name in names {
        if let record = try await record(name), record.revision != known[name] {
          return RecordEntry(name, record)
        }
      }
      do { try await Task.sleep(for: Self.pause) } catch {
        throw FleetError(.uncertain, "canceled")
      }
    } while ContinuousClock.now < end
    return nil
  }

  func announce(_ worker: WorkerName, _ payload: [UInt8]) async throws(FleetError) {
    try check()
    state.withLock { $0.announcements[worker] = (payload, .now) }
  }

  func withdraw(_ worker: WorkerName) async throws(FleetError) {
    state.withLock { $0.announcements[worker] = nil }
  }

  func workers() async throws(FleetError) -> [WorkerEntry] {
    try check()
    return state.withLock { state in
      state.announcements.compactMap { name, value -> WorkerEntry? in
        let age = ContinuousClock.now - value.time
        guard age < settings.workerAge else { return nil }
        return WorkerEntry(worker: name, payload: value.payload, age: age)
      }.sorted { $0.worker < $1.worker }
    }
  }

  func call(
    _ worker: WorkerName, _ request: [UInt8], within limit: Duration
  ) async throws(FleetError) -> CallOutcome {
    guard let answerer = state.withLock({ $0.answerers[worker] }) else { return .unreachable }
    return .answer(await answerer(request))
  }

  func answerCalls(
    to worker: WorkerName, _ answer: @escaping @Sendable ([UInt8]) async -> [UInt8]
  ) async throws(FleetError) {
    state.withLock { $0.answerers[worker] = answer }
    defer { state.withLock { $0.answerers[worker] = nil } }
    // Until the task is canceled.
    while !Task.isCancelled { try? await Task.sleep(for: .seconds(3_600)) }
  }
}
