internal import Glibc

/// A thread that runs jobs in order and sleeps while there are none. It is used for calls that
/// block, so that they delay neither an event loop nor the shared threads of Swift tasks. The main
/// thread uses it too: otherwise it would start the shared thread pool only to wait.
///
/// `@unchecked Sendable`: `mutex` protects `jobs` and `isStarted`; nothing else changes.
final class ThreadExecutor: SerialExecutor, TaskExecutor, @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var jobs: [UnownedJob] = []
  private var isStarted: Bool

  /// A new thread, which starts with its first job and runs until the process ends.
  static func ofItsOwn() -> ThreadExecutor { ThreadExecutor(isStarted: false) }

  /// The calling thread, once it calls `runForever()`.
  static func ofCaller() -> ThreadExecutor { ThreadExecutor(isStarted: true) }

  private init(isStarted: Bool) {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
    self.isStarted = isStarted
    // The thread never ends, so the executor is never freed.
    _ = Unmanaged.passRetained(self)
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    pthread_mutex_lock(mutex)
    jobs.append(job)
    let startsThread = !isStarted
    isStarted = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
    if startsThread { startThread() }
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

  /// Runs jobs on the calling thread. Does not return.
  func runForever() -> Never {
    var batch: [UnownedJob] = []
    while true {
      pthread_mutex_lock(mutex)
      while jobs.isEmpty { pthread_cond_wait(condition, mutex) }
      swap(&jobs, &batch)
      pthread_mutex_unlock(mutex)
      for job in batch {
        job.runSynchronously(
          isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
      }
      batch.removeAll(keepingCapacity: true)
    }
  }

  private func startThread() {
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { executor in
        Unmanaged<ThreadExecutor>.fromOpaque(executor!).takeUnretainedValue().runForever()
      }, Unmanaged.passUnretained(self).toOpaque())
    guard error == 0 else {
      Descriptor.complain("cannot start a thread: \(String(cString: strerror(error)))")
      exit(ExitStatus.failure)
    }
    pthread_detach(thread)
  }
}
