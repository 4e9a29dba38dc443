import Glibc
import Synchronization
import TelpherTransport
import Testing

@testable import TelpherFileStore

@Suite(.timeLimit(.minutes(1))) struct WorkerPoolTests {
  /// A starter that keeps the bodies of threads without running them, or fails.
  private final class Threads: Sendable {
    private let bodies = Mutex<[@Sendable () -> Void]>([])
    private let error = Mutex<Int32>(0)

    func refuse(with error: Int32) { self.error.withLock { $0 = error } }

    /// The number of threads that were started.
    var count: Int { bodies.withLock { $0.count } }

    /// Releases the bodies, which hold references to the pool.
    func forget() { bodies.withLock { $0 = [] } }

    var starter: WorkerPool.Starter {
      { [self] body in
        let error = error.withLock { $0 }
        if error == 0 { bodies.withLock { $0.append(body) } }
        return error
      }
    }
  }

  @Test func workWithoutAThreadIsRefused() {
    let threads = Threads()
    let pool = WorkerPool(limit: 2, starter: threads.starter)
    threads.refuse(with: EAGAIN)
    for _ in 0..<3 {
      let error = #expect(throws: FileError.self) { try pool.run {} }
      #expect(error?.code == .busy)
      #expect(error?.errno == EAGAIN)
      #expect(error?.message.contains("RLIMIT_NPROC") == true)
    }
    // Threads that failed to start do not count against the pool's limit.
    threads.refuse(with: 0)
    #expect(throws: Never.self) { for _ in 0..<2 { try pool.run {} } }
    #expect(threads.count == 2)
    // Work beyond the limit waits in the queue and starts no thread.
    threads.refuse(with: EAGAIN)
    #expect(throws: Never.self) { try pool.run {} }
    #expect(threads.count == 2)
    threads.forget()
  }

  @Test func workBeyondTheLimitIsDoneInOrder() async throws {
    let pool = WorkerPool(limit: 1)
    let done = Monitor<[Int]>([])
    await withCheckedContinuation { continuation in
      for number in 0..<100 {
        try! pool.run {
          done.withLock { $0.append(number) }
          if number == 99 { continuation.resume() }
        }
      }
    }
    #expect(done.withLock { $0 } == Array(0..<100))
  }
}
