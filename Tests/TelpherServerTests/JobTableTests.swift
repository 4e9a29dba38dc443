import TelpherAccess
import TelpherTransport
import TelpherTransportTesting
import TelpherWire
import Testing

@testable import TelpherServer

@Suite struct JobTableTests {
  private static let network = MemoryNetwork()

  /// Runs `body` on the thread of a loop.
  private static func on<T: Sendable>(
    _ loop: MemoryLoop, _ body: @escaping @Sendable () -> T
  ) async -> T {
    await withCheckedContinuation { continuation in
      loop.execute { continuation.resume(returning: body()) }
    }
  }

  /// Makes a job that is not started. On the loop's thread.
  private static func job(
    _ table: JobTable, _ name: String?, _ loop: MemoryLoop, of owner: Identity = .owner
  ) -> CommandJob {
    CommandJob(
      id: table.id(name), request: RunRequest(), owner: owner,
      surroundings: CommandJob.Surroundings(
        loop: loop, launches: LaunchLine(loop: loop), environment: LaunchEnvironment([:]),
        heldOutputs: HeldOutputs(loop: loop) {}, leftBehind: LeftBehind(loop: loop) {},
        keepDetachedFor: 0)
    ) { _, _ in }
  }

  /// The answer to a new job, by name.
  private static func admit(
    _ table: JobTable, _ name: String?, _ loop: MemoryLoop, of owner: Identity = .owner,
    now: UInt64 = 0
  ) async -> String {
    await on(loop) {
      switch table.admit(job(table, name, loop, of: owner), on: loop, now: now) {
      case .admitted: "admitted"
      case .running: "running"
      case .runningElsewhere: "running elsewhere"
      case .finished(let result): "finished \(result.code ?? -1)"
      case .full, .ownerIsFull: "full"
      }
    }
  }

  private static func finish(
    _ table: JobTable, _ loop: MemoryLoop, code: Int32?, now: UInt64 = 0
  ) async {
    await on(loop) {
      for job in table.jobs(on: loop) {
        var result = CloseResult(code == nil ? .notStarted : .exited)
        result.code = code
        table.finish(job, result, now: now)
      }
    }
  }

  private static func withLoops(
    _ body: (MemoryLoop, MemoryLoop) async throws -> Void
  ) async rethrows {
    let (first, second) = (MemoryLoop(network: network), MemoryLoop(network: network))
    try await body(first, second)
    await first.shutDown()
    await second.shutDown()
  }

  @Test func anIDRunsOnceOnAllLoops() async {
    await Self.withLoops { first, second in
      let table = JobTable(maxRunning: 10, maxResults: 10, keepFor: 10)
      #expect(await Self.admit(table, "a", first) == "admitted")
      #expect(await Self.admit(table, "a", first) == "running")
      #expect(await Self.admit(table, "a", second) == "running elsewhere")
      #expect(await Self.admit(table, "b", second) == "admitted")
      #expect(table.running == 2)
      await Self.finish(table, first, code: 3)
      #expect(await Self.admit(table, "a", second) == "finished 3")
      #expect(!table.hasJobs(on: first))
      #expect(table.hasJobs(on: second))
      await Self.finish(table, second, code: 0)
      #expect(table.running == 0)
    }
  }

  @Test func clientsSeeAndEndOnlyTheirOwnJobs() async {
    await Self.withLoops { loop, _ in
      let table = JobTable(maxRunning: 10, maxResults: 10, keepFor: 10)
      let (anna, bert) = (Identity.key("SHA256:anna"), Identity.key("SHA256:bert"))
      // The same id means another job for each of them.
      #expect(await Self.admit(table, "a", loop, of: anna) == "admitted")
      #expect(await Self.admit(table, "a", loop, of: bert) == "admitted")
      #expect(await Self.admit(table, "a", loop, of: anna) == "running")
      #expect(await Self.admit(table, "b", loop, of: bert) == "admitted")
      #expect(await Self.admit(table, "c", loop) == "admitted")
      func seen(_ client: Identity) -> [String] {
        table.views(after: nil, for: client, reachesAll: client == .owner).map {
          "\($0.owner) \($0.id.text)"
        }
      }
      #expect(seen(anna) == ["SHA256:anna a"])
      #expect(seen(bert) == ["SHA256:bert a", "SHA256:bert b"])
      #expect(Set(seen(.owner)).count == 4)
      #expect(table.running(.named("b"), for: anna, reachesAll: false)?.view == nil)
      #expect(table.running(.named("c"), for: anna, reachesAll: false)?.view == nil)
      #expect(table.running(.named("a"), for: anna, reachesAll: false)?.view.owner == anna)
      #expect(table.running(.named("b"), for: .owner, reachesAll: true)?.view.owner == bert)
      #expect(seen(.certificate("SHA256:anna")).isEmpty)
      await Self.finish(table, loop, code: 4)
      #expect(await Self.admit(table, "a", loop, of: anna) == "finished 4")
      #expect(await Self.admit(table, "a", loop) == "admitted")
      await Self.finish(table, loop, code: 0)
    }
  }

  @Test func jobsWithoutANameCountAndLeaveNoResult() async {
    await Self.withLoops { loop, _ in
      let table = JobTable(maxRunning: 2, maxResults: 10, keepFor: 10)
      #expect(await Self.admit(table, nil, loop) == "admitted")
      #expect(await Self.admit(table, nil, loop) == "admitted")
      #expect(await Self.admit(table, nil, loop) == "full")
      #expect(await Self.admit(table, "a", loop) == "full")
      await Self.finish(table, loop, code: 0)
      #expect(table.running == 0)
      #expect(await Self.admit(table, "a", loop) == "admitted")
      await Self.finish(table, loop, code: nil)
      #expect(await Self.admit(table, "a", loop) == "admitted")
      await Self.finish(table, loop, code: 0)
    }
  }

  @Test func resultsAreForgottenInTime() async {
    await Self.withLoops { loop, _ in
      let table = JobTable(maxRunning: 10, maxResults: 10, keepFor: 10)
      #expect(await Self.admit(table, "a", loop) == "admitted")
      await Self.finish(table, loop, code: 1, now: 100)
      // Another loop's clock may have been read earlier.
      #expect(await Self.admit(table, "a", loop, now: 99) == "finished 1")
      #expect(await Self.admit(table, "a", loop, now: 109) == "finished 1")
      #expect(await Self.admit(table, "a", loop, now: 110) == "admitted")
      await Self.finish(table, loop, code: 2, now: 120)
      #expect(await Self.admit(table, "a", loop, now: 121) == "finished 2")
    }
  }
}
