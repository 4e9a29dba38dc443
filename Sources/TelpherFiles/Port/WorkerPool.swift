internal import DequeModule
internal import Glibc
internal import TelpherTransport

/// Threads for work that waits for files and peers. They are started as they are needed, up to a
/// limit, and end when they have had nothing to do for a while; work beyond the limit waits in line.
///
/// Not the loop's own workers: a slow disk or peer would keep commands from being launched there.
public final class WorkerPool: Sendable {
  /// Threads at once: each waits for its peer or the disk most of the time, and takes about 20 KiB.
  /// As many as one client may have streams, so that what waits in line waits for others.
  public static let defaultLimit = 1_024
  /// How long a thread waits for more work before it ends.
  private static let idleFor: UInt64 = 5_000_000_000

  private struct State {
    var queue: Deque<@Sendable () -> Void> = []
    var threads = 0
    var idle = 0
  }

  /// Starts a thread that calls `body` and ends: 0, or the error of pthread_create(3).
  typealias Starter = @Sendable (_ body: @escaping @Sendable () -> Void) -> Int32

  private let monitor = Monitor(State())
  private let limit: Int
  private let start: Starter

  /// A pool of at most `limit` threads.
  public convenience init(limit: Int = WorkerPool.defaultLimit) {
    self.init(limit: limit, starter: startThread)
  }

  /// The same with threads from elsewhere.
  init(limit: Int, starter: @escaping Starter) {
    self.limit = limit
    start = starter
  }

  /// Runs `body` on one of the threads, once one is free. From any thread.
  ///
  /// - Throws: `FileError` (`busy`) where one more thread is needed, and the system has none to give;
  ///   `body` is dropped then. It does not wait for the others in that case: they may be waiting for
  ///   a peer that waits for this one.
  public func run(_ body: @escaping @Sendable () -> Void) throws(FileError) {
    // The thread is started under the lock: what waits in line then always has one to wait for.
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
      "no thread for files: \(String(cString: strerror(error))): the limit of processes and threads "
        + "(RLIMIT_NPROC, pids.max), or of memory, is reached",
      errno: error)
  }

  /// What a thread does, from its first work to its last.
  private func work() {
    // A write past the limit of a file's size (RLIMIT_FSIZE) is to fail, and not to end the process:
    // the signal for it goes to the thread that writes. setrlimit(2).
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

/// What a thread is started with, on its way through C.
private final class ThreadBody {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Starts a thread that nobody joins: 0, or the error of pthread_create(3).
private func startThread(_ body: @escaping @Sendable () -> Void) -> Int32 {
  var attributes = pthread_attr_t()
  pthread_attr_init(&attributes)
  pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
  defer { pthread_attr_destroy(&attributes) }
  let retained = Unmanaged.passRetained(ThreadBody(body))
  var thread = pthread_t()
  let result = pthread_create(
    &thread, &attributes,
    { argument in
      guard let argument else { preconditionFailure("the argument is the one passed below") }
      Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().body()
      return nil
    }, retained.toOpaque())
  if result != 0 { retained.release() }
  return result
}

/// Nanoseconds of the monotonic clock.
func monotonicNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
