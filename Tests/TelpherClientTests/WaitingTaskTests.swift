import Dispatch
import Testing

@testable import TelpherClient

/// In optimized builds the same is tried by the promise `broken-file-requests` of
/// scripts/reliability.
struct WaitingTaskTests {
  private struct Failure: Error {}

  private final class Queue: SerialExecutor {
    private static let key = DispatchSpecificKey<Bool>()
    private let queue = DispatchQueue(label: "waiting")

    init() { queue.setSpecific(key: Self.key, value: true) }

    /// Whether the caller runs on the queue.
    var isCurrent: Bool { DispatchQueue.getSpecific(key: Self.key) == true }

    func enqueue(_ job: consuming ExecutorJob) {
      let job = UnownedJob(job)
      queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
  }

  /// Tasks wait on a queue, and are resumed on another thread.
  private actor Waiting {
    private let queue = Queue()
    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }
    private(set) var endedOnQueue: [Bool] = []

    private func end() { endedOnQueue.append(queue.isCurrent) }

    func wait(for result: Result<Int, Failure>) async throws -> Int {
      defer { end() }
      return try await value(of: result)
    }

    /// Runs on its caller's actor.
    private nonisolated(nonsending) func value(of result: Result<Int, Failure>) async throws -> Int
    {
      try await withWaitingTask { (task: WaitingTask<Int>) in
        DispatchQueue.global().async { task.resume(with: result.mapError { $0 }) }
      }
    }
  }

  @Test func aWaitReturnsItsValueOrErrorOnTheActorOfItsCaller() async throws {
    let waiting = Waiting()
    #expect(try await waiting.wait(for: .success(3)) == 3)
    await #expect(throws: Failure.self) { try await waiting.wait(for: .failure(Failure())) }
    #expect(await waiting.endedOnQueue == [true, true])
  }
}
