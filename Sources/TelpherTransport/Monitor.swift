internal import Glibc

/// A value protected by a lock, with a condition on which a thread can wait until a deadline on the
/// monotonic clock.
///
/// It uses pthreads because `Synchronization.Mutex` has no condition, and because under contention
/// that type waits in library code that the thread sanitizer does not see, so the sanitizer reports
/// races that do not exist.
///
/// Copies of a monitor protect the same value.
///
/// `@unchecked Sendable`: the value is accessed only while the mutex is held.
package struct Monitor<State>: @unchecked Sendable {
  private struct Lock {
    var mutex = pthread_mutex_t()
    var condition = pthread_cond_t()

    mutating func initialize() {
      pthread_mutex_init(&mutex, nil)
      var attributes = pthread_condattr_t()
      pthread_condattr_init(&attributes)
      pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
      pthread_cond_init(&condition, &attributes)
      pthread_condattr_destroy(&attributes)
    }
  }

  /// The value and its lock in one allocation: each command has two monitors. The lock is an element
  /// and not a property, since pthreads needs an address that does not change.
  private final class Storage: ManagedBuffer<State, Lock> {
    deinit {
      withUnsafeMutablePointerToElements { lock in
        pthread_cond_destroy(&lock.pointee.condition)
        pthread_mutex_destroy(&lock.pointee.mutex)
        lock.deinitialize(count: 1)
      }
    }
  }

  private let storage: ManagedBuffer<State, Lock>

  /// A monitor that protects `state`.
  package init(_ state: sending State) {
    storage = Storage.create(minimumCapacity: 1) { _ in state }
    storage.withUnsafeMutablePointerToElements { lock in
      lock.initialize(to: Lock())
      lock.pointee.initialize()
    }
  }

  /// Calls `body` with the value while the lock is held. `body` should decide only, and call
  /// nothing outside. Calls must not nest.
  package func withLock<R>(_ body: (inout State) throws -> R) rethrows -> R {
    try storage.withUnsafeMutablePointers { state, lock in
      pthread_mutex_lock(&lock.pointee.mutex)
      defer { pthread_mutex_unlock(&lock.pointee.mutex) }
      return try body(&state.pointee)
    }
  }

  /// Waits while `isIdle` returns true, at most until `deadline` (CLOCK_MONOTONIC, in nanoseconds;
  /// nil for no limit), then calls `body`.
  package func wait<R>(
    until deadline: UInt64?, while isIdle: (inout State) -> Bool, then body: (inout State) -> R
  ) -> R {
    storage.withUnsafeMutablePointers { state, lock in
      pthread_mutex_lock(&lock.pointee.mutex)
      defer { pthread_mutex_unlock(&lock.pointee.mutex) }
      while isIdle(&state.pointee) {
        guard let deadline else {
          pthread_cond_wait(&lock.pointee.condition, &lock.pointee.mutex)
          continue
        }
        var time = timespec(
          tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
        let status = pthread_cond_timedwait(&lock.pointee.condition, &lock.pointee.mutex, &time)
        if status == ETIMEDOUT { break }
      }
      return body(&state.pointee)
    }
  }

  /// Wakes one waiting thread.
  package func signal() {
    storage.withUnsafeMutablePointerToElements { lock in
      _ = pthread_cond_signal(&lock.pointee.condition)
    }
  }
}

/// The monotonic clock in nanoseconds: the time that `Monitor.wait` takes as a deadline.
package func monotonicNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
