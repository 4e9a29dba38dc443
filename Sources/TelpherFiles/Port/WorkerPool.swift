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
    var queue: [@Sendable () -> Void] = []
    var head = 0
    var threads = 0
    var idle = 0

    mutating func next() -> (@Sendable () -> Void)? {
      guard head < queue.count else { return nil }
      let work = queue[head]
      head += 1
      if head == queue.count {
        queue.removeAll(keepingCapacity: true)
        head = 0
      }
      return work
    }
  }

  private let monitor = Monitor(State())
  private let limit: Int

  /// A pool of at most `limit` threads.
  public init(limit: Int = WorkerPool.defaultLimit) { self.limit = limit }

  /// Runs `body` on one of the threads, once one is free. From any thread.
  public func run(_ body: @escaping @Sendable () -> Void) {
    let needsThread = monitor.withLock { state in
      state.queue.append(body)
      guard state.queue.count - state.head > state.idle, state.threads < limit else { return false }
      state.threads += 1
      return true
    }
    if needsThread { startThread() } else { monitor.signal() }
  }

  private func startThread() {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { pthread_attr_destroy(&attributes) }
    let pool = Unmanaged.passRetained(self)
    var thread = pthread_t()
    let result = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { preconditionFailure("the argument is the one passed below") }
        Unmanaged<WorkerPool>.fromOpaque(argument).takeRetainedValue().work()
        return nil
      }, pool.toOpaque())
    guard result != 0 else { return }
    pool.release()
    // The others take the work up, or it waits for the next try.
    let isAlone = monitor.withLock { state in
      state.threads -= 1
      return state.threads == 0
    }
    precondition(!isAlone, "no thread for files: errno \(result)")
  }

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
      $0.head == $0.queue.count
    } then: { state in
      state.idle -= 1
      let work = state.next()
      if work == nil { state.threads -= 1 }
      return work
    }
  }
}

/// Nanoseconds of the monotonic clock.
func monotonicNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
