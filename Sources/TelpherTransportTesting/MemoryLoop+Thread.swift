internal import Glibc
internal import TelpherTransport

/// Something open on a loop that is told when there may be something to do.
protocol MemoryHandle: AnyObject {
  /// There may be something to do: bytes, room, a connection, a signal. May come for nothing.
  func didWake()
  /// The loop ends: close, and let go of every closure without calling it.
  func shutDown()
}

/// How another thread wakes a handle.
struct MemoryWaker: Sendable {
  let loop: MemoryLoop
  let handle: Int

  func callAsFunction() { loop.wake(handle) }
}

extension MemoryLoop {
  /// One thing to do on the loop's thread.
  enum Work {
    case job(UnownedJob)
    case body(@Sendable () -> Void)
    case wake(Int)
  }

  /// What other threads hand to the loop's.
  struct Inbox {
    var work: [Work] = []
    /// `shutDown` was called: from here on only jobs are taken.
    var isStopping = false
    /// All handles are closed and the loop's own thread is over.
    var hasStopped = false
    /// No thread is there to look at `work`.
    var hasEnded = false
    /// Resumed when the thread is over.
    var waiters: [CheckedContinuation<Void, Never>] = []

    mutating func take() -> [Work] {
      defer { work = [] }
      return work
    }

    mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
      defer { waiters = [] }
      return waiters
    }
  }

  /// What `currentLoopKey` holds on this loop's thread.
  var identity: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  /// A thread that runs `body`, keeps the loop alive for that long and counts as the loop's.
  func startThread(_ body: @escaping @Sendable (MemoryLoop) -> Void) -> pthread_t {
    let start = Unmanaged.passRetained(ThreadStart(loop: self, body: body))
    var thread = pthread_t()
    let result = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { preconditionFailure("the argument is the one passed below") }
        let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
        pthread_setspecific(currentLoopKey, start.loop.identity)
        start.body(start.loop)
        pthread_setspecific(currentLoopKey, nil)
        return nil
      }, start.toOpaque())
    precondition(result == 0, "no thread for a loop: errno \(result)")
    return thread
  }
}

private final class ThreadStart {
  let loop: MemoryLoop
  let body: @Sendable (MemoryLoop) -> Void

  init(loop: MemoryLoop, body: @escaping @Sendable (MemoryLoop) -> Void) {
    self.loop = loop
    self.body = body
  }
}

/// The loop whose thread this is. A thread-local, because a loop has a second thread for the jobs
/// that come after its end.
let currentLoopKey: pthread_key_t = {
  var key = pthread_key_t()
  pthread_key_create(&key, nil)
  return key
}()
