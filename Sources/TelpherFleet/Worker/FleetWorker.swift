internal import Synchronization

/// A worker: takes jobs from queues and runs them, as `JobDecision` decides.
package final class FleetWorker: Sendable {
  private let engine: any FleetEngine
  private let journal: FleetJournal
  private let runner: any JobRunner
  private let check: JobCheck
  private let settings: Settings
  private let report: @Sendable (String) -> Void
  private let jobs = ActiveJobs()
  private let slots: Slots
  private let calls = Mutex(Calls())

  /// The calls for jobs that wait at the broker.
  private struct Calls {
    var isClosed = false
    var last = 0
    var tasks: [Int: Task<Result<Delivery?, FleetError>, Never>] = [:]
  }

  private var me: ClaimOwner { ClaimOwner(settings.name, journal: journal.id) }

  /// How long a job that can't be decided about stays away.
  private static let brokenDelay = Duration.seconds(300)
  /// How long a job stays away if this worker's own files can't be read, which may soon pass.
  private static let undecidedDelay = Duration.seconds(10)

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

  // MARK: Queues

  /// Takes jobs of a queue, one after the other, until the worker is drained.
  private func serve(_ queue: QueueName) async throws {
    var pause = settings.pauses.first
    while await slots.ask(for: queue) {
      let outcome = await next(of: queue)
      slots.asked(for: queue)
      switch outcome {
      case .success(nil): pause = settings.pauses.first
      case .success(let delivery?):
        pause = settings.pauses.first
        try await take(delivery)
      case .failure(let error):
        guard error.isPassing else { throw error }
        try await Task.sleep(for: pause)
        pause = min(pause * 2, settings.pauses.last)
      }
    }
  }

  /// Asks the broker for a job, until the worker is drained.
  private func next(of queue: QueueName) async -> Result<Delivery?, FleetError> {
    let task = Task { [engine, settings] in
      do throws(FleetError) {
        return Result<Delivery?, FleetError>.success(
          try await engine.next(of: queue, within: settings.asking))
      } catch {
        return .failure(error)
      }
    }
    let number = calls.withLock { calls in
      calls.last += 1
      if calls.isClosed { task.cancel() }
      calls.tasks[calls.last] = task
      return calls.last
    }
    let outcome = await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    let isClosed = calls.withLock { calls in
      calls.tasks[number] = nil
      return calls.isClosed
    }
    // A canceled call may fail in any way.
    if isClosed, case .failure = outcome { return .success(nil) }
    return outcome
  }

  private func take(_ delivery: Delivery) async throws {
    guard slots.take() else {
      return try await settle(delivery, .later(.zero))
    }
    defer { slots.giveBack() }
    guard let active = jobs.begin(delivery.job, delivery) else { return }
    try await begin(active, delivery)
  }

  // MARK: Jobs

  private func begin(_ active: ActiveJobs.Entry, _ delivery: Delivery) async throws {
    defer { jobs.end(active) }
    let (verdict, plan): (JobVerdict, JobCheck.Plan?)
    do throws(FleetError) {
      (verdict, plan) = try check.verdict(
        on: delivery.payload, of: delivery.job, from: delivery.queue, now: Clock.now())
    } catch {
      report("job \(delivery.job) is given back: \(error.message)")
      return try await settle(delivery, .later(Self.undecidedDelay))
    }
    let (decision, step) = JobDecision.begin(
      delivery.job, delivery.payload, by: me, verdict, isDone: journal.isDone(delivery.job))
    try await perform(decision, step, active, plan, delivery.payload)
  }

  private func resume(
    _ active: ActiveJobs.Entry, _ entry: JournalEntry, _ payload: [UInt8]
  ) async throws {
    defer { jobs.end(active) }
    let (verdict, plan) = try await decide(about: active.job, payload)
    guard
      let (decision, step) = JobDecision.resume(active.job, payload, by: me, verdict, from: entry)
    else { return }
    try await perform(decision, step, active, plan, payload)
  }

  /// Decides about a job that this worker has already, as soon as that is possible.
  private func decide(
    about job: JobID, _ payload: [UInt8]
  ) async throws -> (JobVerdict, JobCheck.Plan?) {
    var pause = settings.startPauses.first
    while true {
      do throws(FleetError) {
        return try check.verdict(on: payload, of: job, from: nil, now: Clock.now())
      } catch {
        report("job \(job) waits: \(error.message)")
      }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, settings.startPauses.last)
    }
  }

  /// Performs the steps of a job, and reports to the broker meanwhile that this worker has it.
  private func perform(
    _ decision: JobDecision, _ step: JobStep, _ active: ActiveJobs.Entry, _ plan: JobCheck.Plan?,
    _ payload: [UInt8]
  ) async throws {
    let sign = Task { [engine, settings] in
      while !Task.isCancelled {
        do { try await Task.sleep(for: settings.working) } catch { return }
        guard let delivery = active.delivery else { continue }
        // If it gets lost, the broker delivers the job again, and the claim stops others.
        try? await engine.settle(delivery, .working)
      }
    }
    defer { sign.cancel() }
    var (decision, step, plan) = (decision, step, plan)
    var pause = settings.startPauses.first
    do {
      while true {
        if case .finish = step { return }
        let input: JobInput
        if case .pause(let reason) = step {
          report("job \(active.job) can't be started here, and is tried again: \(reason)")
          try await Task.sleep(for: pause)
          pause = min(pause * 2, settings.startPauses.last)
          let verdict: JobVerdict
          (verdict, plan) = try await decide(about: active.job, payload)
          input = .paused(verdict)
        } else {
          input = try await perform(step, active, plan, payload)
        }
        if active.isCanceled { decision.cancel() }
        step = try decision.receive(input)
      }
    } catch let error as FleetError where error.code == .broken || error.code == .tooLarge {
      report("job \(active.job): \(error.message)")
      if let delivery = active.delivery {
        try await settle(delivery, .later(Self.brokenDelay))
      }
    }
  }

  /// Performs one step; repeats it until its outcome is known.
  private func perform(
    _ step: JobStep, _ active: ActiveJobs.Entry, _ plan: JobCheck.Plan?, _ payload: [UInt8]
  ) async throws -> JobInput {
    switch step {
    case .read(let name):
      return try await repeating { () throws(FleetError) in .read(try await engine.record(name)) }
    case .write(let name, let bytes, let expected):
      return try await repeating { () throws(FleetError) in
        .wrote(try await engine.write(name, bytes, expecting: expected))
      }
    case .journal(let entry):
      // The journal keeps the payload of the entry that begins the attempt.
      let isFirst = if case .claiming = entry { true } else { false }
      try await journal.store(
        entry, of: active.job, payload: isFirst ? payload : [], now: Clock.now())
      return .journaled
    case .find(let owner):
      let workers = try await repeating { () throws(FleetError) in try await engine.workers() }
      return .found(
        workers.contains {
          $0.worker == owner.worker
            && WorkerRecord(payload: $0.payload)?.journal == owner.journal.description
        })
    case .launch(let attempt):
      guard let plan else { preconditionFailure("only a job that may run gets a claim") }
      return .ran(
        try await run(active, attempt) { try await self.runner.launch(plan.command, as: $0) })
    case .reattach(let attempt):
      return .ran(try await run(active, attempt) { try await self.runner.reattach(to: $0) })
    case .settle(let settlement):
      if let delivery = active.delivery { try await settle(delivery, settlement) }
      return .settled
    case .pause, .finish: preconditionFailure("the caller does these")
    }
  }

  /// Runs a command that calls can cancel.
  private func run(
    _ active: ActiveJobs.Entry, _ attempt: Int, _ body: (JobID) async throws -> RunOutcome
  ) async throws -> RunOutcome {
    let run = active.job.run(attempt: attempt)
    active.state.withLock { $0.run = run }
    defer { active.state.withLock { $0.run = nil } }
    return try await body(run)
  }

  private func settle(_ delivery: Delivery, _ settlement: Settlement) async throws {
    try await repeating { () throws(FleetError) in try await engine.settle(delivery, settlement) }
  }

  /// Repeats a call of the engine until the broker has answered it.
  private func repeating<Value>(
    _ body: () async throws(FleetError) -> Value
  ) async throws -> Value {
    var pause = settings.pauses.first
    while true {
      do throws(FleetError) { return try await body() } catch {
        guard error.isPassing else { throw error }
      }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, settings.pauses.last)
    }
  }

  // MARK: The worker itself

  /// Checks that no other worker has this name: each would take the other for gone, and its jobs for
  /// lost. A worker with the same journal is this one, before it was killed.
  private func checkName() async throws {
    let workers = try await repeating { () throws(FleetError) in try await engine.workers() }
    guard let other = workers.first(where: { $0.worker == settings.name }),
      let record = WorkerRecord(payload: other.payload), record.journal != me.journal.description
    else { return }
    throw FleetError(
      .invalid,
      "another worker has the name \(settings.name), and the broker has heard of it \(other.age.components.seconds) s ago: give each its own name; or, if that worker is gone and its --state folder is lost, try again when the broker has forgotten it"
    )
  }

  private func announce() async throws {
    let record = WorkerRecord(
      journal: journal.id, groups: settings.groups, slots: settings.slots, busy: slots.busy,
      isDraining: calls.withLock(\.isClosed), address: settings.address,
      version: settings.version)
    try await repeating { () throws(FleetError) in
      try await engine.announce(settings.name, record.payload)
    }
  }

  private func keepAnnouncing() async throws {
    while true {
      try await Task.sleep(for: settings.announcing)
      try await announce()
    }
  }

  private func answerCalls() async throws {
    try await engine.answerCalls(to: settings.name) { request in
      await self.answer(WorkerCall(payload: request)).payload
    }
  }

  private func answer(_ call: WorkerCall?) async -> WorkerAnswer {
    switch call {
    case nil: return WorkerAnswer(ok: false, message: "this worker does not know this request")
    case .ping: return WorkerAnswer(ok: true)
    case .cancel(let job):
      guard let active = jobs[job] else {
        return WorkerAnswer(ok: false, message: "this worker does not have the job")
      }
      active.state.withLock { $0.isCanceled = true }
      for _ in 0..<Self.cancelAttempts {
        // Without a command the decision ends the job by itself.
        guard let run = active.state.withLock(\.run), await !runner.cancel(run) else {
          return WorkerAnswer(ok: true)
        }
        // It starts at this moment, or has ended.
        do { try await Task.sleep(for: Self.cancelPause) } catch { break }
      }
      return WorkerAnswer(ok: false, message: "the worker's server does not end the command")
    }
  }

  /// How often a command that is just being started is asked to end, and the pause in between.
  private static let cancelAttempts = 50
  private static let cancelPause = Duration.milliseconds(100)
}
