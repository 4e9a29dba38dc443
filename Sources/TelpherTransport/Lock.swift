internal import Glibc

/// A value protected by a pthread_mutex_t.
///
/// Synchronization's `Mutex` is not used: under contention it waits in library code that the thread
/// sanitizer does not see, so the sanitizer reports races that do not exist.
///
/// `@unchecked Sendable`: `value` is touched only while `mutex` is held.
package final class Lock<Value>: @unchecked Sendable {
  private var value: Value
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  /// Creates a lock that protects `value`.
  package init(_ value: sending Value) {
    self.value = value
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Calls `body` with exclusive access to the value. Calls must not nest.
  package func withLock<R>(_ body: (inout Value) -> R) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body(&value)
  }
}
