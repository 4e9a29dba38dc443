import Glibc
import Synchronization
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

@testable import TelpherFleet

/// Faults of a worker's machine, which end no job.
@Suite(.enabled(if: KeyFolder.hasTools)) struct WorkerFaultTests {
  @Test func whatAWorkerCantStartWaitsUntilItCan() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    runner.with { $0.fault = "the disk is full" }
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    let (job, canceled) = (
      try await fleet.submit(fleet.job()), try await fleet.submit(fleet.job(["b"]))
    )
    for job in [job, canceled] {
      try await eventually("it is tried again and again") {
        fleet.reports.withLock { reports in
          reports.count { $0.contains("\(job)") && $0.contains("the disk is full") } > 2
        }
      }
    }
    #expect(fleet.engine.with { $0.queue.count } == 2)
    try await eventually("it says why it waits") {
      let status = try await fleet.client.status(of: job)
      return status?.state == "queued"
        && status?.lastFault == "worker w could not start it: the disk is full"
    }
    try await eventually("it is canceled") {
      do throws(FleetError) {
        _ = try await fleet.client.cancel(canceled)
        return true
      } catch { return error.code != .unreachable && error.code != .refused }
    }
    #expect(try await fleet.client.wait(for: canceled).outcome == .canceled(nil))
    #expect(try await fleet.client.status(of: job)?.final == nil)
    runner.with { $0.fault = nil }
    guard case .ended(let end) = try await fleet.client.wait(for: job).outcome else {
      Issue.record("the job has not ended")
      return
    }
    #expect(end.isSuccess)
    #expect(runner.with { $0.starts } == [job: 1])
    worker.drain()
    try await run.value
  }

  @Test(arguments: [FleetError.Code.broken, .absent])
  func aWorkerOutlivesABrokerThatAnswersNonsense(_ code: FleetError.Code) async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    let worker = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await worker.run() }
    guard case .ended = try await fleet.client.wait(for: fleet.submit(fleet.job())).outcome else {
      Issue.record("the job has not ended")
      return
    }
    fleet.engine.with { state in
      state.fault = { () throws(FleetError) in throw FleetError(code, "nonsense") }
    }
    try await eventually("the worker tries again and again") {
      fleet.reports.withLock { $0.count { $0 == "nonsense; trying again" } > 10 }
    }
    fleet.engine.with { $0.fault = nil }
    guard case .ended = try await fleet.client.wait(for: fleet.submit(fleet.job())).outcome else {
      Issue.record("the job has not ended")
      return
    }
    worker.drain()
    try await run.value
  }

  @Test func aWorkerDoesNotStartWithoutItsFleet() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    fleet.engine.with { state in
      state.fault = { () throws(FleetError) in throw FleetError(.absent, "no fleet") }
    }
    let worker = try fleet.worker("w", in: sandbox, runner)
    await #expect(throws: FleetError(.absent, "no fleet")) { try await worker.run() }
  }

  @Test func aJobWaitsForAnotherWorkerIfTheServerCantBeReached() async throws {
    let attempts = Mutex(0)
    let runner = ServerRunner {
      attempts.withLock { $0 += 1 }
      throw ClientError(.lost, "no files are left")
    }
    let outcome = try await runner.launch(Command("true"), as: .random())
    guard case .notStarted(let reason) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(reason == "the worker can't reach its own server: no files are left")
    #expect(attempts.withLock { $0 } > 1)
  }

  @Test(arguments: [FleetJob.Policy.once, .retry(maxAttempts: 3)])
  func whatAWorkerCantStartIsStartedByAnotherOne(_ policy: FleetJob.Policy) async throws {
    let fleet = try await TestFleet()
    let (first, second) = (try Sandbox(), try Sandbox())
    let (broken, sound) = (MemoryRunner(), MemoryRunner())
    broken.with { $0.fault = "no files are left" }
    let a = try fleet.worker("a", in: first, broken)
    let running = Task { try await a.run() }
    var ids: [JobID] = []
    for _ in 0..<5 { ids.append(try await fleet.submit(fleet.job(["true"], policy))) }
    try await eventually("each was tried") {
      fleet.reports.withLock { reports in
        ids.allSatisfy { id in reports.contains { $0.contains("\(id) can't be started here") } }
      }
    }
    let b = try fleet.worker("b", in: second, sound)
    let other = Task { try await b.run() }
    for id in ids {
      let final = try await fleet.client.wait(for: id)
      #expect(final.worker == WorkerName("b") && final.attempt == 1, "\(final)")
      guard case .ended(let end) = final.outcome else {
        Issue.record("\(id) has not ended")
        continue
      }
      #expect(end.isSuccess)
    }
    #expect(broken.with { $0.starts.isEmpty })
    #expect(sound.with { $0.starts } == Dictionary(uniqueKeysWithValues: ids.map { ($0, 1) }))
    for worker in [a, b] { worker.drain() }
    try await running.value
    try await other.value
  }

  @Test func aJobThatCantBeStartedIsLeftForTwiceAsLongEachTime() {
    var failed = FailedStarts(pauses: (.seconds(1), .seconds(30)))
    let (job, start) = (JobID.random(), ContinuousClock.now)
    #expect(!failed.isLeft(job, at: start))
    var now = start
    for pause in [1, 2, 4, 8, 16, 30, 30] {
      failed.note(job, at: now)
      #expect(failed.isLeft(job, at: now + .seconds(pause) - .milliseconds(1)))
      now += .seconds(pause)
      #expect(!failed.isLeft(job, at: now))
    }
    failed.forget(job)
    failed.note(job, at: now)
    #expect(!failed.isLeft(job, at: now + .seconds(1)))
    // Its memory has a limit; a job that is forgotten is tried again.
    let others = (0..<2_000).map { _ in JobID.random() }
    for (index, other) in others.enumerated() {
      failed.note(other, at: now + .nanoseconds(index))
    }
    #expect(others.count { failed.isLeft($0, at: now + .milliseconds(10)) } == 1_024)
    #expect(failed.isLeft(others[1_999], at: now + .milliseconds(10)))
  }

  /// A worker whose disk has no room for its journal starts nothing, and goes on when there is room. What
  /// runs then is reported when it has ended.
  @Test func aWorkerWithAFullDiskLeavesItsJobsToOthers() async {
    await #expect(processExitsWith: .success) {
      let fleet = try await TestFleet()
      let (first, second) = (try Sandbox(), try Sandbox())
      let (full, sound) = (MemoryRunner(), MemoryRunner())
      full.with { $0.immediate = nil }
      let a = try fleet.worker("a", in: first, full, slots: 2)
      let running = Task { try await a.run() }
      let before = try await fleet.submit(fleet.job(["before"]))
      try await eventually("it runs") { full.with { $0.starts[before] == 1 } }
      // A limit for the size of files is a full disk for the file that has reached it.
      signal(SIGXFSZ, SIG_IGN)
      var status = stat()
      #expect(stat(first.path + "/jobs.journal", &status) == 0)
      let kind = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
      var limit = rlimit()
      #expect(getrlimit(kind, &limit) == 0)
      let most = limit.rlim_cur
      limit.rlim_cur = rlim_t(status.st_size)
      #expect(setrlimit(kind, &limit) == 0)
      let job = try await fleet.submit(fleet.job())
      try await eventually("it can't be started") {
        fleet.reports.withLock { reports in
          reports.contains {
            $0.contains("\(job) can't be started here") && $0.contains("jobs.journal")
          }
        }
      }
      #expect(try await fleet.client.status(of: job)?.state == "queued")
      full.end(before, .ended(JobEnd(.exited, code: 6, startedMS: 1, endedMS: 2)))
      try await eventually("its end waits for the disk") {
        fleet.reports.withLock { $0.contains { $0.hasPrefix("job \(before) waits: ") } }
      }
      #expect(try await fleet.client.status(of: before)?.final == nil)
      limit.rlim_cur = most
      #expect(setrlimit(kind, &limit) == 0)
      guard case .ended(let end) = try await fleet.client.wait(for: before).outcome else {
        Issue.record("the job has not ended")
        return
      }
      #expect(end.code == 6)
      a.drain()
      let b = try fleet.worker("b", in: second, sound)
      let other = Task { try await b.run() }
      // It may have been started by either, but once.
      try await eventually("it was started") {
        full.with { $0.starts[job] ?? 0 } + sound.with { $0.starts[job] ?? 0 } == 1
      }
      full.end(job, .ended(JobEnd(.exited, code: 0, startedMS: 1, endedMS: 2)))
      guard case .ended = try await fleet.client.wait(for: job).outcome else {
        Issue.record("the job has not ended")
        return
      }
      b.drain()
      try await running.value
      try await other.value
      #expect(full.with { $0.starts[job] ?? 0 } + sound.with { $0.starts[job] ?? 0 } == 1)
    }
  }

  @Test func aJobIsGivenBackWhileTheKeysCantBeRead() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    let worker = try fleet.worker("w", in: sandbox, runner)
    try fleet.hideKeys()
    let run = Task { try await worker.run() }
    let job = try await fleet.submit(fleet.job())
    try await eventually("it is given back") {
      fleet.engine.with { $0.settlements == [.later(.seconds(10))] }
    }
    #expect(
      fleet.reports.withLock { $0.contains { $0.hasPrefix("job \(job) is given back: ") } })
    #expect(try await fleet.client.status(of: job)?.state == "queued")
    try fleet.showKeys()
    fleet.hurry()
    guard case .ended = try await fleet.client.wait(for: job).outcome else {
      Issue.record("the job has not run")
      return
    }
    worker.drain()
    try await run.value
  }

  @Test func aJobInTheJournalWaitsForTheKeys() async throws {
    let fleet = try await TestFleet()
    let (sandbox, runner) = (try Sandbox(), MemoryRunner())
    runner.with { $0.immediate = nil }
    let killed = try {
      let first = try fleet.worker("w", in: sandbox, runner)
      return Task { try await first.run() }
    }()
    let job = try await fleet.submit(fleet.job())
    try await eventually("the job runs") { runner.with { $0.starts[job] == 1 } }
    killed.cancel()
    _ = try? await killed.value
    try fleet.hideKeys()
    runner.end(job, .ended(JobEnd(.exited, code: 7, startedMS: 1, endedMS: 2)))
    let second = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await second.run() }
    try await eventually("it waits") {
      fleet.reports.withLock { $0.contains { $0.hasPrefix("job \(job) waits: ") } }
    }
    try fleet.showKeys()
    guard case .ended(let end) = try await fleet.client.wait(for: job).outcome else {
      Issue.record("the job has not ended")
      return
    }
    #expect(end.code == 7)
    second.drain()
    try await run.value
  }

  @Test func aSecondWorkerWithTheSameNameDoesNotStart() async throws {
    let fleet = try await TestFleet()
    let (sandbox, other, runner) = (try Sandbox(), try Sandbox(), MemoryRunner())
    let first = try fleet.worker("w", in: sandbox, runner)
    let run = Task { try await first.run() }
    func announced() -> String? {
      fleet.engine.with { state in
        state.announcements[WorkerName("w")!].flatMap { WorkerRecord(payload: $0.payload)?.journal }
      }
    }
    try await eventually("it is announced") { announced() != nil }
    let journal = announced()
    let second = try fleet.worker("w", in: other, runner)
    let error = await #expect(throws: FleetError.self) { try await second.run() }
    #expect(error?.code == .invalid && error?.message.hasPrefix("another worker has") == true)
    #expect(announced() == journal)
    first.drain()
    try await run.value
    // Now the name is free.
    let free = Task { try await second.run() }
    try await eventually("it is announced") { announced() != nil }
    #expect(announced() != journal)
    second.drain()
    // It has called no job before, and takes none now.
    try await free.value
  }

  @Test func onlyItsOwnFaultEndsAJobThatDidNotStart() {
    func reason(_ errno: Int32, _ stage: String, _ limits: [ResourceLimit] = []) -> String? {
      var command = Command(arguments: ["x"])
      command.limits = limits
      return StartFault.ofWorker(
        .notStarted(errno: errno, stage: stage, message: "why"), command)
    }
    for errno in [ENOENT, EACCES, ENOEXEC, E2BIG, ENOTDIR] {
      #expect(reason(errno, "execute") == nil)
      #expect(reason(errno, "directory") == nil)
    }
    for errno in [EMFILE, ENFILE, ENOMEM, EAGAIN, ENOSPC, EDQUOT, EIO] {
      #expect(reason(errno, "execute") == "why")
    }
    #expect(reason(EACCES, "resources") == "why")
    // Its own limits may deny it what it needs.
    #expect(reason(EAGAIN, "execute", [ResourceLimit(.nice, 5)]) == nil)
    #expect(reason(EMFILE, "resources", [ResourceLimit(.nice, 5)]) == "why")
  }
}
