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
    #expect(try await fleet.client.cancel(canceled) == .asked(WorkerName("w")!))
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
