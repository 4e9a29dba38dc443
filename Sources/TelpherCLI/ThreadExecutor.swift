internal import Glibc
internal import TelpherTransport

/// A thread that runs jobs in order and sleeps while there are none. It is used for calls that
/// block, so that they delay neither an event loop nor the shared threads of Swift tasks. The main
/// thread uses it too: otherwise it would start the shared thread pool only to wait.
final class ThreadExecutor: SerialExecutor, TaskExecutor {
  private struct State {
    /// The jobs that the thread has not taken.
    var jobs: [UnownedJob] = []
    var isStarted: Bool
  }

  private let state: Monitor<State>

  /// A new thread, which starts with its first job and runs until the process ends.
  static func ofItsOwn() -> ThreadExecutor { ThreadExecutor(isStarted: false) }

  /// The calling thread, once it calls `runForever()`.
  static func ofCaller() -> ThreadExecutor { ThreadExecutor(isStarted: true) }

  private init(isStarted: Bool) {
    state = Monitor(State(isStarted: isStarted))
    // The thread never ends, so the executor is never freed.
    _ = Unmanaged.passRetained(self)
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let startsThread = state.withLock { state in
      state.jobs.append(job)
      defer { state.isStarted = true }
      return !state.isStarted
    }
    state.signal()
    if startsThread { start() }
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

  /// Runs jobs on the calling thread. Does not return.
  func runForever() -> Never {
    var batch: [UnownedJob] = []
    while true {
      state.wait(until: nil) {
        $0.jobs.isEmpty
      } then: {
        swap(&$0.jobs, &batch)
      }
      for job in batch {
        job.runSynchronously(
          isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
      }
      batch.removeAll(keepingCapacity: true)
    }
  }

  private func start() {
    let error = startThread { self.runForever() }
    guard error == 0 else {
      Descriptor.complain("cannot start a thread: \(describe(errno: error))")
      exit(ExitStatus.failure)
    }
  }
}
