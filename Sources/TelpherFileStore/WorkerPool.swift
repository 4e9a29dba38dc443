internal import DequeModule
internal import Glibc
internal import TelpherTransport

/// A pool of threads for work that blocks on files and peers. It starts threads on demand up to a
/// limit, and an idle thread ends after 5 seconds. Work beyond the limit waits in a queue.
///
/// It is separate from the loop's own workers, because a slow disk or peer would delay the
/// launching of commands there.
package final class WorkerPool: Sendable {
  /// The default number of threads: as many as one client may have streams, so a single client
  /// does not fill the queue. A thread mostly waits for its peer or the disk, and takes about 20
  /// KiB.
  package static let defaultLimit = 1_024
  /// How long an idle thread waits for more work before it ends, in nanoseconds.
  private static let idleFor: UInt64 = 5_000_000_000

  private struct State {
    var queue: Deque<@Sendable () -> Void> = []
    var threads = 0
    var idle = 0
  }

  /// Starts a thread that calls `body` and then ends. Returns 0, or the error of pthread_create(3).
  typealias Starter = @Sendable (_ body: @escaping @Sendable () -> Void) -> Int32

  private let monitor = Monitor(State())
  private let limit: Int
  private let start: Starter

  /// A pool of at most `limit` threads.
  package convenience init(limit: Int = WorkerPool.defaultLimit) {
    self.init(limit: limit, starter: startThread)
  }

  /// A pool that starts its threads with `starter`.
  init(limit: Int, starter: @escaping Starter) {
    self.limit = limit
    start = starter
  }

  /// Runs `body` on a thread of the pool as soon as one is free. May be called from any thread.
  ///
  /// - Throws: `FileError` (`busy`) if the pool needs another thread and the system can't start
  ///   one. `body` is then dropped. It is not queued for the existing threads, because they may
  ///   wait for a peer that waits for this work.
  package func run(_ body: @escaping @Sendable () -> Void) throws(FileError) {
    // Start the thread under the lock, so that queued work always has a thread that will take it.
    let error: Int32? = monitor.withLock { state in
      state.queue.append(body)
      guard state.queue.count > state.idle, state.threads < limit else { return nil }
      let error = start { [self] in work() }
      if error == 0 { state.threads += 1 } else { state.queue.removeLast() }
      return error
    }
    guard let error else { return monitor.signal() }
    guard error != 0 else { return }
    throw FileError(
      .busy,
      "cannot start a thread for files: \(describe(errno: error)): the limit of "
        + "processes and threads (RLIMIT_NPROC, pids.max), or of memory, is reached",
      errno: error)
  }

  /// The main function of a thread.
  private func work() {
    // A write beyond RLIMIT_FSIZE should fail with an error and not end the process. The kernel
    // sends SIGXFSZ to the writing thread (setrlimit(2)), so the thread blocks it.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGXFSZ)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    while let body = nextWork() { body() }
  }

  private func nextWork() -> (@Sendable () -> Void)? {
    let deadline = monotonicNow() + Self.idleFor
    monitor.withLock { $0.idle += 1 }
    return monitor.wait(until: deadline) {
      $0.queue.isEmpty
    } then: { state in
      state.idle -= 1
      let work = state.queue.popFirst()
      if work == nil { state.threads -= 1 }
      return work
    }
  }
}
