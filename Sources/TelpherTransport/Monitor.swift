internal import Glibc

/// A value protected by a lock, with a condition on which a thread can wait until a deadline on the
/// monotonic clock.
///
/// It uses pthreads because `Synchronization.Mutex` has no condition, and because under contention
/// that type waits in library code that the thread sanitizer does not see, so the sanitizer reports
/// races that do not exist.
///
/// `@unchecked Sendable`: `state` is accessed only while the mutex is held.
package final class Monitor<State>: @unchecked Sendable {
  private var state: State
  /// Both are parts of one allocation, which begins with the mutex: pthreads needs addresses that
  /// do not change.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  /// A monitor that protects `state`.
  package init(_ state: sending State) {
    self.state = state
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: Self.conditionOffset + MemoryLayout<pthread_cond_t>.size,
      alignment: MemoryLayout<pthread_cond_t>.alignment)
    mutex = memory.initializeMemory(as: pthread_mutex_t.self, to: pthread_mutex_t())
    condition = memory.advanced(by: Self.conditionOffset)
      .initializeMemory(as: pthread_cond_t.self, to: pthread_cond_t())
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    UnsafeMutableRawPointer(mutex).deallocate()
  }

  /// The size of a mutex, which is a multiple of the alignment of a condition.
  private static var conditionOffset: Int { MemoryLayout<pthread_mutex_t>.stride }

  /// Calls `body` with the value while the lock is held. `body` should decide only, and call
  /// nothing outside. Calls must not nest.
  package func withLock<R>(_ body: (inout State) throws -> R) rethrows -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&state)
  }

  /// Waits while `isIdle` returns true, at most until `deadline` (CLOCK_MONOTONIC, in nanoseconds;
  /// nil for no limit), then calls `body`.
  package func wait<R>(
    until deadline: UInt64?, while isIdle: (inout State) -> Bool, then body: (inout State) -> R
  ) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while isIdle(&state) {
      guard let deadline else {
        pthread_cond_wait(condition, mutex)
        continue
      }
      var time = timespec(
        tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
      if pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { break }
    }
    return body(&state)
  }

  /// Wakes one waiting thread.
  package func signal() {
    pthread_cond_signal(condition)
  }
}

/// The monotonic clock in nanoseconds: the time that `Monitor.wait` takes as a deadline.
package func monotonicNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
