import TelpherTestSupport
import TelpherText
import TelpherWire
import Testing

@testable import TelpherFleet

@Suite(.enabled(if: KeyFolder.hasTools)) struct FleetWorkerTests {
  private func outcome(_ fleet: TestFleet, _ job: JobID) async throws -> FinalRecord.Outcome {
    try await fleet.client.wait(for: job).outcome
  }

  @Test func jobsOfSeveralQueuesRunInSlots() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    let worker = try fleet.worker("w", in: sandbox, runner, slots: 2)
    let run = Task { try await worker.run() }
    var ids: [JobID] = []
    for index in 0..<20 {
      var job = fleet.job(["echo", ByteText("\(index)")])
      if index % 2 == 0 { job = FleetJob(id: job.id, queue: QueueName("@w")!, argv: job.argv) }
      ids.append(try await fleet.submit(job))
    }
    for id in ids {
      guard case .ended(let end) = try await outcome(fleet, id) else {
        Issue.record("\(id) has not ended")
        continue
      }
      #expect(end.isSuccess)
    }
    #expect(runner.with { $0.starts.values.allSatisfy { $0 == 1 } })
    try await eventually("the queue is empty") { fleet.engine.with { $0.queue.isEmpty } }
    let listed = try await fleet.engine.workers()
    #expect(listed.map(\.worker.description) == ["w"])
    let record = try #require(WorkerRecord(payload: listed[0].payload))
    #expect(record.slots == 2 && record.groups == ["web"])
    worker.drain()
    try await run.value
    #expect(try await fleet.engine.workers().isEmpty)
  }

  @Test func aDrainedWorkerEndsItsJobsFirst() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    runner.with { $0.immediate = nil }
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    let first = try await fleet.submit(fleet.job())
    try await eventually("the job runs") { runner.with { $0.starts[first] == 1 } }
    worker.drain()
    let second = try await fleet.submit(fleet.job())
    runner.end(first, .ended(JobEnd(.exited, code: 7, startedMS: 1, endedMS: 2)))
    try await run.value
    guard case .ended(let end) = try await outcome(fleet, first) else {
      Issue.record("the job has not ended")
      return
    }
    #expect(end.code == 7)
    #expect(runner.with { $0.starts[second] } == nil)
    #expect(try await fleet.client.status(of: second)?.state == "queued")
  }

  @Test func aWorkerThatIsKilledGoesOnWhereItWas() async throws {
    let fleet = try await TestFleet(workTime: .milliseconds(100))
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    runner.with { $0.immediate = nil }
    // A kill: its task ends at any step, and the commands continue.
    let job = try await fleet.submit(fleet.job())
    for _ in 0..<3 {
      let worker = try fleet.worker("w", in: sandbox, runner)
      let run = Task { try await worker.run() }
      try await eventually("the job runs") { runner.with { $0.starts[job] == 1 } }
      run.cancel()
      _ = try? await run.value
    }
    #expect(try await fleet.client.status(of: job)?.state == "running")
    runner.end(job, .ended(JobEnd(.signaled, signal: 9, startedMS: 1, endedMS: 2)))
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    guard case .ended(let end) = try await outcome(fleet, job) else {
      Issue.record("the job has not ended")
      return
    }
    #expect(end.signal == 9)
    #expect(runner.with { $0.starts[job] } == 1)
    try await eventually("the queue is empty") { fleet.engine.with { $0.queue.isEmpty } }
    worker.drain()
    try await run.value
  }

  @Test func theBrokerMayFailAtAnyCall() async throws {
    let fleet = try await TestFleet(workTime: .milliseconds(200))
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    var ids: [JobID] = []
    for _ in 0..<10 { ids.append(try await fleet.submit(fleet.job())) }
    fleet.engine.with { state in
      state.fault = { () throws(FleetError) in
        switch Int.random(in: 0..<20) {
        case 0: throw FleetError(.unreachable, "no broker")
        case 1: throw FleetError(.uncertain, "no answer")
        default: return
        }
      }
    }
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    for id in ids {
      guard case .ended = try await outcome(fleet, id) else {
        Issue.record("\(id) has not ended")
        continue
      }
    }
    #expect(runner.with { $0.starts.values.allSatisfy { $0 == 1 } })
    let writes = fleet.engine.with { $0.writes }
    #expect(ids.allSatisfy { writes[RecordName(.result, $0)] == 1 })
    fleet.engine.with { $0.fault = nil }
    worker.drain()
    try await run.value
  }

  @Test func aGoneWorkersJobIsLostOrRunAgain() async throws {
    let fleet = try await TestFleet(
      workTime: .milliseconds(100), workerAge: .milliseconds(300))
    let (gone, runner) = (try Sandbox(), MemoryRunner())
    runner.with { $0.immediate = nil }
    let once = try await fleet.submit(fleet.job(["once"]))
    let retry = try await fleet.submit(fleet.job(["retry"], .retry(maxAttempts: 2)))
    let run = try {
      let first = try fleet.worker("a", in: gone, runner)
      return Task { try await first.run() }
    }()
    try await eventually("both jobs run") { runner.with { $0.starts.count == 2 } }
    run.cancel()
    _ = try? await run.value
    let (sandbox, other) = (try Sandbox(), MemoryRunner())
    let second = try fleet.worker("b", in: sandbox, other)
    // The delay of a job that is given back is too long for a test: it is delivered again at once.
    let task = Task { try await second.run() }
    let hurry = Task {
      while !Task.isCancelled {
        fleet.engine.with { state in
          for (job, taken) in state.taken where taken.until > .now + .seconds(5) {
            state.taken[job] = (.now, taken.handle)
          }
        }
        try? await Task.sleep(for: .milliseconds(10))
      }
    }
    defer { hurry.cancel() }
    #expect(try await outcome(fleet, once) == .lost("its worker a is gone"))
    let final = try await fleet.client.wait(for: retry)
    #expect(final.attempt == 2 && final.worker?.description == "b")
    #expect(other.with { $0.starts } == [retry.run(attempt: 2): 1])
    // The gone worker comes back: its result takes the place of the loss.
    runner.end(once, .ended(JobEnd(.exited, code: 0, startedMS: 1, endedMS: 2)))
    runner.end(retry, .ended(JobEnd(.exited, code: 9, startedMS: 1, endedMS: 2)))
    let back = try fleet.worker("a", in: gone, runner)
    let again = Task { try await back.run() }
    try await eventually("the result is there") {
      guard let record = fleet.engine.with({ $0.records[RecordName(.result, once)] }),
        let final = try? FinalRecord(payload: record.payload, of: once)
      else { return false }
      return !final.isProvisional
    }
    #expect(try await fleet.client.wait(for: retry) == final)
    for worker in [second, back] { worker.drain() }
    try await task.value
    try await again.value
  }

  @Test func aRunningJobIsCanceled() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    runner.with { $0.immediate = nil }
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    let job = try await fleet.submit(fleet.job())
    try await eventually("the job runs") { runner.with { $0.starts[job] == 1 } }
    #expect(try await fleet.client.cancel(job) == .asked(WorkerName("w")!))
    guard case .canceled(.some) = try await outcome(fleet, job) else {
      Issue.record("the job was not canceled")
      return
    }
    #expect(
      try await fleet.client.cancel(job) == .ended(try await fleet.client.wait(for: job)))
    worker.drain()
    try await run.value
  }

  @Test func aQueuedJobIsCanceled() async throws {
    let fleet = try await TestFleet()
    let job = try await fleet.submit(fleet.job())
    #expect(try await fleet.client.cancel(job) == .canceled)
    #expect(try await outcome(fleet, job) == .canceled(nil))
    #expect(fleet.engine.with { $0.queue.isEmpty })
    await #expect(throws: FleetError.self) { try await fleet.client.cancel(.random()) }
  }

  @Test func aJobThatLeavesItsQueueWithoutAnEndIsNoLongerWaitedFor() async throws {
    let fleet = try await TestFleet()
    let client = FleetClient(engine: fleet.engine, waiting: .milliseconds(5))
    let job = try await fleet.submit(fleet.job())
    let wait = Task { try await client.wait(for: job) }
    // It has looked once, and waits for the final record.
    try await eventually("it waits") { fleet.engine.with { $0.changes > 0 } }
    fleet.engine.with { $0.queue = [] }
    let error = await #expect(throws: FleetError.self) { try await wait.value }
    #expect(error?.code == .absent && error?.message.contains("any more") == true)
    let other = await #expect(throws: FleetError.self) { try await client.wait(for: .random()) }
    #expect(other?.message.hasPrefix("the broker knows no job") == true)
  }

  @Test func aPoisonedJobEndsInTheListOfTheDead() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    let id = JobID.random()
    let poison: [UInt8] = [0, 255, 1]
    _ = try await fleet.engine.submit(poison, id: id, to: TestFleet.queue)
    // A job that another one's broker has copied under another id.
    let copied = JobID.random()
    _ = try await fleet.engine.submit(
      try fleet.sign(fleet.job()).payload, id: copied, to: TestFleet.queue)
    // The most that a broker takes.
    let long = JobID.random()
    _ = try await fleet.engine.submit(
      [UInt8](repeating: 7, count: FleetLimits.maxRecordLength + 20_000), id: long,
      to: TestFleet.queue)
    guard case .dead = try await outcome(fleet, long) else {
      Issue.record("the long job has run")
      return
    }
    #expect(
      try await fleet.client.status(of: long)?.dead?.count == FleetLimits.maxJobLength)
    #expect(try await outcome(fleet, id) == .dead("the job can't be read: it can't be read"))
    guard case .dead = try await outcome(fleet, copied) else {
      Issue.record("the copy has run")
      return
    }
    #expect(try await fleet.client.status(of: id)?.dead == poison)
    #expect(runner.with { $0.starts.isEmpty })
    worker.drain()
    try await run.value
  }

  @Test func aLateJobIsNotStarted() async throws {
    let fleet = try await TestFleet()
    var job = fleet.job()
    job.notAfter = Clock.now() - 1
    let id = try await fleet.submit(job)
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    #expect(try await outcome(fleet, id) == .expired)
    #expect(runner.with { $0.starts.isEmpty })
    worker.drain()
    try await run.value
  }

  @Test func aRefusalOfTheBrokerEndsTheWorker() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    let worker = try fleet.worker("w", in: sandbox, runner)
    fleet.engine.with { state in
      state.fault = { () throws(FleetError) in throw FleetError(.refused, "not for you") }
    }
    await #expect(throws: FleetError(.refused, "not for you")) { try await worker.run() }
  }

  @Test func aRefusedCallForJobsEndsTheWorkerWhileItsSlotsAreBusy() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    runner.with { $0.immediate = nil }
    let worker = try fleet.worker("w", in: sandbox, runner, slots: 1)
    let run = Task { try await worker.run() }
    let job = try await fleet.submit(fleet.job())
    try await eventually("the job runs") { runner.with { $0.starts[job] == 1 } }
    fleet.engine.with { state in
      state.fault = { () throws(FleetError) in throw FleetError(.refused, "not for you") }
    }
    await #expect(throws: FleetError(.refused, "not for you")) { try await run.value }
  }

  @Test func aSubmissionMayBeRepeated() async throws {
    let fleet = try await TestFleet()
    let job = try fleet.sign(fleet.job())
    #expect(try await fleet.client.submit(job) == .accepted)
    #expect(try await fleet.client.submit(job) == .duplicate)
    #expect(try await fleet.client.list(all: true, limit: 10).map(\.id) == [job.job.id])
  }

  /// Each part of a job makes another one of it, but for the time after which it does not start.
  @Test func anIdIsThatOfOneJobOnly() async throws {
    let fleet = try await TestFleet()
    let first = fleet.job(["echo", "1"])
    _ = try await fleet.submit(first)
    var later = first
    later.notAfter = Clock.now() + 1_000_000
    #expect(try await fleet.client.submit(fleet.sign(later)) == .duplicate)

    func others() -> [FleetJob] {
      var others = [
        FleetJob(id: first.id, queue: QueueName("@w")!, argv: first.argv),
        FleetJob(id: first.id, queue: TestFleet.queue, argv: ["echo", "2"]),
      ]
      others += (0..<5).map { _ in first }
      others[2].directory = "/"
      others[3].environment = ["A": "b"]
      others[4].deadline = 1_000
      others[5].policy = .retry(maxAttempts: 2)
      others[6].mergesError = true
      return others
    }
    func check() async throws {
      for other in others() {
        let error = await #expect(throws: FleetError.self) {
          try await fleet.client.submit(fleet.sign(other))
        }
        #expect(error?.code == .invalid)
      }
    }
    // While it waits, after it has ended, and after the broker has forgotten the id.
    try await check()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    _ = try await outcome(fleet, first.id)
    try await eventually("the queue is empty") { fleet.engine.with { $0.queue.isEmpty } }
    worker.drain()
    try await run.value
    try await check()
    #expect(try await fleet.client.submit(fleet.sign(first)) == .duplicate)
    for other in others() {
      fleet.engine.with { $0.submitted = [] }
      let error = await #expect(throws: FleetError.self) {
        try await fleet.client.submit(fleet.sign(other))
      }
      #expect(error?.code == .invalid)
      #expect(fleet.engine.with { $0.queue.isEmpty })
    }
    #expect(runner.with { $0.starts } == [first.id: 1])
  }

  /// Members of the fleet can write what they like into records.
  @Test func aRecordThatCannotBeReadHidesNoOtherJobAndNoEnd() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    runner.with { $0.immediate = nil }
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    let (first, second) = (
      try await fleet.submit(fleet.job()), try await fleet.submit(fleet.job())
    )
    try await eventually("both run") { runner.with { $0.starts == [first: 1, second: 1] } }
    let garbage = Array("garbage".utf8)
    #expect(
      try await fleet.engine.write(RecordName(.result, first), garbage, expecting: nil)
        .isWritten)
    for all in [false, true] {
      let listed = try await fleet.client.list(all: all, limit: 10)
      #expect(
        Dictionary(uniqueKeysWithValues: listed.map { ($0.id, $0.state) }) == [
          first: "unreadable", second: "running",
        ])
    }
    let end = JobEnd(.exited, code: 9, startedMS: 1, endedMS: 2)
    for job in [first, second] { runner.end(job, .ended(end)) }
    try await eventually("the queue is empty") { fleet.engine.with { $0.queue.isEmpty } }
    for job in [first, second] { #expect(try await outcome(fleet, job) == .ended(end)) }
    worker.drain()
    try await run.value
  }
}

extension WriteOutcome {
  fileprivate var isWritten: Bool { if case .written = self { true } else { false } }
}
