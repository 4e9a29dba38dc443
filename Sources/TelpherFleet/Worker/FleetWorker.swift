internal import Synchronization

/// A worker: takes jobs from queues and runs them, as `JobDecision` decides.
package final class FleetWorker: Sendable {
  let engine: any FleetEngine
  let journal: FleetJournal
  let runner: any JobRunner
  let check: JobCheck
  let settings: Settings
  let report: @Sendable (String) -> Void
  let jobs = ActiveJobs()
  let slots: Slots
  let calls = Mutex(Calls())
  let failed: Mutex<FailedStarts>
  /// Whether the broker has had this worker's announcement.
  private let isAnnounced = Atomic(false)

  /// The calls for jobs that wait at the broker.
  struct Calls {
    var isClosed = false
    var last = 0
    var tasks: [Int: Task<Result<Delivery?, FleetError>, Never>] = [:]
  }

  var me: ClaimOwner { ClaimOwner(settings.name, journal: journal.id) }

  /// A worker.
  ///
  /// - Parameter report: called with what the worker's user should know, in plain text.
  package init(
    engine: any FleetEngine, journal: FleetJournal, runner: any JobRunner, check: JobCheck,
    settings: Settings, report: @escaping @Sendable (String) -> Void
  ) {
    precondition((1...FleetLimits.maxSlots).contains(settings.slots), "it has a slot")
    (self.engine, self.journal, self.runner) = (engine, journal, runner)
    (self.check, self.settings, self.report) = (check, settings, report)
    slots = Slots(settings.slots)
    failed = Mutex(FailedStarts(pauses: settings.startPauses))
  }

  /// How many jobs it works on.
  package var busy: Int { jobs.count }

  /// The queues that it serves.
  private var queues: [QueueName] {
    [.worker(settings.name)] + settings.groups.map(QueueName.group)
  }

  /// Works until `drain()` was called and all its jobs have ended.
  ///
  /// - Throws: `FleetError` if it can't go on: the broker refuses it, its journal has failed, or at the
  ///   start another worker has its name. Jobs that run continue; a worker with the same journal takes
  ///   them up again.
  package func run() async throws {
    try await checkName()
    try await announce()
    isAnnounced.store(true, ordering: .relaxed)
    try await withThrowingTaskGroup { group in
      group.addTask { try await self.keepAnnouncing() }
      group.addTask { try await self.answerCalls() }
      group.addTask {
        try await self.work()
        throw Finished()
      }
      do {
        while try await group.next() != nil {}
      } catch {
        group.cancelAll()
        guard error is Finished else { throw error }
      }
    }
    do throws(FleetError) { try await engine.withdraw(settings.name) } catch {
      report("cannot tell the broker that this worker has ended: \(error.message)")
    }
  }

  /// All jobs have ended, and no more are taken.
  private struct Finished: Error {}

  /// Takes no more jobs. `run()` returns when those that it has have ended.
  package func drain() {
    slots.close()
    let tasks = calls.withLock { calls in
      calls.isClosed = true
      return calls.tasks.values
    }
    for task in tasks { task.cancel() }
  }

  /// Takes jobs up again, and takes new ones.
  private func work() async throws {
    try await withThrowingTaskGroup { group in
      for (job, entry, payload) in journal.unfinished {
        guard let active = jobs.begin(job, nil) else { continue }
        slots.takeAnyway()
        group.addTask {
          defer { self.slots.giveBack() }
          try await self.resume(active, entry, payload)
        }
      }
      for queue in queues {
        for _ in 0..<settings.slots { group.addTask { try await self.serve(queue) } }
      }
      do {
        try await withTaskCancellationHandler {
          while try await group.next() != nil {}
        } onCancel: {
          self.drain()
        }
      } catch {
        // The tasks that wait for a slot must end too.
        drain()
        throw error
      }
    }
  }

  func settle(_ delivery: Delivery, _ settlement: Settlement) async throws {
    try await repeating { () throws(FleetError) in try await engine.settle(delivery, settlement) }
  }

  /// Whether a call that failed is repeated. A worker that has begun to work also waits for the end of a
  /// broker that answers nonsense (another program may have its port for a while), and of one that has lost
  /// its data (until the fleet is set up again).
  func mayPass(_ error: FleetError) -> Bool {
    if error.isPassing { return true }
    guard isAnnounced.load(ordering: .relaxed), error.code == .broken || error.code == .absent
    else { return false }
    report("\(error.message); trying again")
    return true
  }

  /// Repeats a call of the engine until the broker has answered it.
  func repeating<Value>(
    _ body: () async throws(FleetError) -> Value
  ) async throws -> Value {
    var pause = settings.pauses.first
    while true {
      do throws(FleetError) { return try await body() } catch {
        guard mayPass(error) else { throw error }
      }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, settings.pauses.last)
    }
  }
}
