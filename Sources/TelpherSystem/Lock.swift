internal import Glibc

/// A value behind a pthread_mutex_t.
///
/// Not Synchronization's `Mutex`: under contention that waits in library code which the thread
/// sanitizer does not see, so that it reports races where there are none.
///
/// `@unchecked Sendable`: `value` is touched only while `mutex` is held.
package final class Lock<Value>: @unchecked Sendable {
  private var value: Value
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  /// A lock around `value`.
  package init(_ value: sending Value) {
    self.value = value
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Calls `body` with the value while nobody else has it. It does not nest.
  package func withLock<R>(_ body: (inout Value) -> R) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body(&value)
  }
}
