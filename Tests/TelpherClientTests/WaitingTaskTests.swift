import Dispatch
import Testing

@testable import TelpherClient

/// In optimized builds the same is tried by the promise `broken-file-requests` of
/// scripts/reliability.
struct WaitingTaskTests {
  private struct Failure: Error {}

  /// Tasks wait on a queue, and are resumed on another thread.
  private actor Waiting {
    private static let key = DispatchSpecificKey<Bool>()
    private let queue = DispatchSerialQueue(label: "waiting")
    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }
    private(set) var endedOnQueue: [Bool] = []

    init() { queue.setSpecific(key: Self.key, value: true) }

    private func end() {
      endedOnQueue.append(DispatchQueue.getSpecific(key: Self.key) == true)
    }

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
