internal import TelpherFileStore
internal import TelpherTransport

/// Threads for the disk: they write and read journals for one loop, which never waits for a disk.
/// Use it on the loop's thread.
final class JobWorkers {
  /// The most threads: enough that some slow files do not hold up the others.
  private static let limit = 32
  /// The pause before a piece of work is tried again if no thread could be started, in nanoseconds.
  private static let pause: UInt64 = 20_000_000

  private let loop: any EventLoop
  private let pool = WorkerPool(limit: limit)

  init(loop: any EventLoop) { self.loop = loop }

  /// Does `work` on another thread and then passes its result to `then` on the loop.
  func perform<Result: Sendable>(
    _ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void
  ) {
    nonisolated(unsafe) let then = then
    let loop = loop
    do throws(FileError) {
      try pool.run {
        let result = work()
        loop.execute { then(result) }
      }
    } catch {
      // The system has no thread left at the moment. Nothing may be lost, so this waits for one.
      _ = loop.schedule(after: Self.pause) { [self] in perform(work, then: then) }
    }
  }
}
