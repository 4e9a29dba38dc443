import TelpherTestSupport
import TelpherText
import TelpherWire
import Testing

@testable import TelpherFleet

/// What a submitter sees of its jobs.
@Suite(.enabled(if: KeyFolder.hasTools)) struct FleetClientTests {
  private func outcome(_ fleet: TestFleet, _ job: JobID) async throws -> FinalRecord.Outcome {
    try await fleet.client.wait(for: job).outcome
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

  /// What wakes when it is canceled, and who looks later, see the same without any worker.
  @Test func aJobIsCanceledWithoutAWorker() async throws {
    let fleet = try await TestFleet()
    let job = try await fleet.submit(fleet.job(["make", "all"]))
    let wait = Task { try await fleet.client.wait(for: job) }
    try await eventually("it waits") { fleet.engine.with { $0.changes > 0 } }
    #expect(try await fleet.client.cancel(job) == .canceled)
    let final = try await wait.value
    #expect(final.outcome == .canceled(nil) && final.command == "make all")
    #expect(try await fleet.client.cancel(job) == .ended(final))
    #expect(try await fleet.client.list(all: false, limit: 10) == [])
    let listed = try await fleet.client.list(all: true, limit: 10)
    #expect(listed.map(\.state) == ["canceled"] && listed.map(\.command) == ["make all"])
    // A submitter can't write more than that, and what it writes counts whatever it is.
    let other = try await fleet.submit(fleet.job())
    _ = try await fleet.engine.write(
      RecordName(.cancel, other, of: TestFleet.queue), [0], expecting: nil)
    #expect(try await fleet.client.wait(for: other).outcome == .canceled(nil))
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    try await eventually("the queue is empty") { fleet.engine.with { $0.queue.isEmpty } }
    #expect(try await fleet.client.wait(for: other).outcome == .canceled(nil))
    #expect(runner.with { $0.starts.isEmpty })
    worker.drain()
    try await run.value
  }

  @Test func aJobWhoseWorkerIsGoneIsCanceled() async throws {
    let fleet = try await TestFleet(
      workTime: .milliseconds(50), workerAge: .milliseconds(100))
    let (gone, runner) = (try Sandbox(), MemoryRunner())
    runner.with { $0.immediate = nil }
    let job = try await fleet.submit(fleet.job(["true"], .retry(maxAttempts: 3)))
    let run = try {
      let first = try fleet.worker("a", in: gone, runner)
      return Task { try await first.run() }
    }()
    try await eventually("it runs") { runner.with { $0.starts.count == 1 } }
    run.cancel()
    _ = try? await run.value
    try await eventually("the worker is gone") { try await fleet.engine.workers().isEmpty }
    #expect(try await fleet.client.cancel(job) == .abandoned(WorkerName("a")!))
    let loss = FinalRecord.Outcome.lost("it was canceled while its worker a was gone")
    #expect(try await fleet.client.wait(for: job).outcome == loss)
    // The end takes its place when the worker comes back.
    runner.end(job, .ended(JobEnd(.exited, code: 4, startedMS: 1, endedMS: 2)))
    let back = try fleet.worker("a", in: gone, runner)
    let again = Task { try await back.run() }
    try await eventually("the end is known") {
      try await fleet.client.wait(for: job).outcome != loss
    }
    guard case .ended(let end) = try await fleet.client.wait(for: job).outcome else {
      Issue.record("the job has not ended")
      return
    }
    #expect(end.code == 4)
    back.drain()
    try await again.value
  }

  /// A worker of another queue can write records with the id of any job. Nothing is believed then.
  @Test func recordsInTwoQueuesAreNotBelieved() async throws {
    let fleet = try await TestFleet()
    let job = try await fleet.submit(fleet.job())
    let forged = FinalRecord(job, .ended(JobEnd(.exited, code: 0, startedMS: 1, endedMS: 2)))
    _ = try await fleet.engine.write(
      RecordName(.result, job, of: QueueName("db")!), forged.payload, expecting: nil)
    for _ in 0..<2 {
      let error = await #expect(throws: FleetError.self) { try await fleet.client.wait(for: job) }
      #expect(error?.code == .broken && error?.message.contains("queues db and web") == true)
      // Also after the job has left its queue.
      let name = RecordName(.result, job, of: TestFleet.queue)
      _ = try await fleet.engine.write(
        name, FinalRecord(job, .lost("x")).payload, expecting: nil)
      fleet.engine.with { $0.queue = [] }
    }
    let listed = try await fleet.client.list(all: true, limit: 10)
    #expect(listed.map { "\($0.queue) \($0.state)" } == ["db ended", "web lost"])
  }

  /// The cost of a question about one job does not depend on the others.
  @Test func oneJobIsLookedAtWithoutTheOthers() async throws {
    let fleet = try await TestFleet()
    let job = try await fleet.submit(fleet.job())
    for _ in 0..<300 {
      _ = try await fleet.engine.submit([1], id: .random(), to: TestFleet.queue)
    }
    #expect(try await fleet.client.status(of: job)?.state == "queued")
    // The submission has looked once too.
    #expect(fleet.engine.with { $0.looks } == 2)
    #expect(fleet.engine.with { $0.pages } == 0)
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

  /// Workers of the queue can write what they like into its records.
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
      try await fleet.engine.write(
        RecordName(.result, first, of: TestFleet.queue), garbage, expecting: nil
      ).isWritten)
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
