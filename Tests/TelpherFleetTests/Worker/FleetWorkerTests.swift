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
    #expect(ids.allSatisfy { writes[RecordName(.result, $0, of: TestFleet.queue)] == 1 })
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
      guard
        let record = fleet.engine.with({
          $0.records[RecordName(.result, once, of: TestFleet.queue)]
        }),
        let final = try? FinalRecord(payload: record.payload, of: once)
      else { return false }
      return !final.isProvisional
    }
    #expect(try await fleet.client.wait(for: retry) == final)
    for worker in [second, back] { worker.drain() }
    try await task.value
    try await again.value
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
}
