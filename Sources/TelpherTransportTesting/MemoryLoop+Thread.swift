internal import Glibc
internal import TelpherTransport

/// An open handle of a loop. The loop wakes it when it may have work.
protocol MemoryHandle: AnyObject {
  /// Called when there may be work: bytes, free space, a connection or a signal. It may also be
  /// called without work.
  func didWake()
  /// Called when the loop ends: close and release every closure without calling it.
  func shutDown()
}

/// Wakes a handle from any thread.
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

  /// Work that other threads pass to the loop's thread.
  struct Inbox {
    var work: [Work] = []
    /// `shutDown` was called: only jobs are accepted now.
    var isStopping = false
    /// All handles are closed and the loop's own thread has ended.
    var hasStopped = false
    /// No thread is running that would handle `work`.
    var hasEnded = false
    /// Resumed when the thread has ended.
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

  /// The value of `currentLoopKey` on this loop's thread.
  var identity: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  /// Starts a thread that runs `body`, keeps the loop alive meanwhile and counts as the loop's
  /// thread.
  func startThread(_ body: @escaping @Sendable (MemoryLoop) -> Void) -> pthread_t {
    var thread = pthread_t()
    let result = startJoinableThread(&thread) { [self] in
      pthread_setspecific(currentLoopKey, identity)
      body(self)
      pthread_setspecific(currentLoopKey, nil)
    }
    precondition(result == 0, "no thread for a loop: errno \(result)")
    return thread
  }
}

/// The key of the current thread's loop. It is thread-local because a loop has a second thread for
/// jobs that arrive after its end.
let currentLoopKey: pthread_key_t = {
  var key = pthread_key_t()
  pthread_key_create(&key, nil)
  return key
}()
