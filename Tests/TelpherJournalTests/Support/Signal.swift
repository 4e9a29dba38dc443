internal import Glibc

/// Lets threads wait until something has changed.
final class Signal: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var value = 0

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// The number of changes so far.
  var changes: Int {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return value
  }

  /// Reports a change.
  func change() {
    pthread_mutex_lock(mutex)
    value += 1
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  /// Waits until there have been more changes than `changes`.
  func wait(after changes: Int) {
    pthread_mutex_lock(mutex)
    while value <= changes { pthread_cond_wait(condition, mutex) }
    pthread_mutex_unlock(mutex)
  }
}
