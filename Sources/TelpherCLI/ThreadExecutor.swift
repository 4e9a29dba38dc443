internal import Glibc

/// A thread that does jobs in order, and sleeps while there are none: for calls that block, which
/// hold up neither a loop nor the threads that tasks share; and for the main thread, which would
/// otherwise start the system's thread pool, at a price of its own, to wait in.
///
/// `@unchecked Sendable`: `mutex` protects `jobs`; the rest never changes but for `isStarted`, which
/// it protects too.
final class ThreadExecutor: SerialExecutor, TaskExecutor, @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var jobs: [UnownedJob] = []
  private var isStarted: Bool

  /// A thread that starts with its first job, and stays until the process ends.
  static func ofItsOwn() -> ThreadExecutor { ThreadExecutor(isStarted: false) }

  /// The calling thread, once it calls `runForEver()`.
  static func ofCaller() -> ThreadExecutor { ThreadExecutor(isStarted: true) }

  private init(isStarted: Bool) {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
    self.isStarted = isStarted
    // Its thread has no end, so that neither has what the thread uses.
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

  /// Does the jobs on the calling thread.
  func runForEver() -> Never {
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
        Unmanaged<ThreadExecutor>.fromOpaque(executor!).takeUnretainedValue().runForEver()
      }, Unmanaged.passUnretained(self).toOpaque())
    guard error == 0 else {
      Descriptor.complain("cannot start a thread: \(String(cString: strerror(error)))")
      exit(ExitStatus.failure)
    }
    pthread_detach(thread)
  }
}
