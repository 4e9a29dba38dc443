internal import Glibc
package import TelpherTransport

/// An event loop in memory: streams are pipes in memory, children are closures. It serves tests of
/// code that uses an `EventLoop`, without sockets or processes.
///
/// Loops that share a `MemoryNetwork` can connect to each other. Tests can simulate network faults
/// there: see `MemoryNetwork` and `MemoryStream.cut`.
///
/// A task's job that is enqueued after `shutDown` still runs, on a temporary thread. If it were
/// dropped, code that awaits the task would hang.
///
/// `@unchecked Sendable`: `network` and `inbox` are constant and Sendable. All other fields are
/// accessed only on the loop's thread, except `thread`, which only `init` and the first `shutDown`
/// access.
package final class MemoryLoop: EventLoop, @unchecked Sendable {
  /// The listeners and programs that this loop shares with others.
  package let network: MemoryNetwork

  /// Work from other threads.
  private let inbox = Monitor(Inbox())
  private var thread = pthread_t()

  /// Open streams, listeners, watches and processes, by the number that identifies them for waking.
  private var handles: [Int: any MemoryHandle] = [:]
  private var lastHandle = 0
  /// Handles to wake in the next round.
  private var ready: [Int] = []
  private var isReady: Set<Int> = []
  /// Calls for the next round, so that no callback comes from within a call.
  private var deferred: [() -> Void] = []
  /// Tasks for the end of the round.
  private var turnEndTasks: [any TurnEndTask] = []
  private var timers = MemoryTimerQueue()
  private(set) var isClosing = false
  var readBuffer = ReadBuffer()

  /// A loop with its own thread, which runs until `shutDown`.
  package init(network: MemoryNetwork = MemoryNetwork()) {
    self.network = network
    thread = startThread { $0.run() }
  }

  // MARK: Work from any thread

  /// Whether the caller is on this loop's thread.
  package var isCurrent: Bool {
    pthread_getspecific(currentLoopKey) == UnsafeMutableRawPointer(identity)
  }

  /// Runs `body` on the loop's thread, in the order of the calls; dropped after `shutDown`.
  package func execute(_ body: @escaping @Sendable () -> Void) {
    post(.body(body))
  }

  /// Runs a task's job on the loop's thread.
  package func enqueue(_ job: consuming ExecutorJob) {
    // The caller holds no reference to the executor, and the job may release the last one on the
    // loop's thread while this call is still running.
    let kept = Unmanaged.passRetained(self)
    defer { kept.release() }
    post(.job(UnownedJob(job)))
  }

  /// Wakes the handle if it is still open. Any thread may call it.
  func wake(_ handle: Int) {
    post(.wake(handle))
  }

  private func post(_ work: Work) {
    let (isFirst, needsThread) = inbox.withLock { inbox in
      if case .job = work {} else if inbox.isStopping { return (false, false) }
      inbox.work.append(work)
      let needsThread = inbox.hasEnded
      inbox.hasEnded = false
      return (inbox.work.count == 1, needsThread)
    }
    if needsThread {
      pthread_detach(startThread { $0.drain() })
    } else if isFirst {
      inbox.signal()
    }
  }

  /// Crashes unless the caller is on this loop's thread.
  package func checkIsolated() {
    precondition(isCurrent, "called on another thread than the loop's")
  }

  /// Whether the caller is on this loop's thread; `assumeIsolated` calls it first.
  package func isIsolatingCurrentContext() -> Bool? {
    isCurrent
  }

  /// Closes every handle, without calling its callbacks, and ends the thread.
  package func shutDown() async {
    let isFirst = inbox.withLock { inbox in
      defer { inbox.isStopping = true }
      return !inbox.isStopping
    }
    inbox.signal()
    await withCheckedContinuation { continuation in
      let hasEnded = inbox.withLock { inbox in
        if !inbox.hasStopped { inbox.waiters.append(continuation) }
        return inbox.hasStopped
      }
      if hasEnded { continuation.resume() }
    }
    // The thread resumes this call as its last action, so the join returns almost at once.
    if isFirst { pthread_join(thread, nil) }
  }

  // MARK: Work on the loop's thread

  /// Nanoseconds of CLOCK_MONOTONIC.
  package var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// Retains `handle` until `remove` and returns the number that wakes it.
  func add(_ handle: any MemoryHandle) -> Int {
    checkIsolated()
    lastHandle += 1
    handles[lastHandle] = handle
    return lastHandle
  }

  /// Releases a handle.
  func remove(_ handle: Int) {
    handles[handle] = nil
  }

  /// Wakes the handle in the next round. On the loop's thread only.
  func wakeSoon(_ handle: Int) {
    if isReady.insert(handle).inserted { ready.append(handle) }
  }

  /// Calls `body` in the next round. On the loop's thread only.
  func callLater(_ body: @escaping () -> Void) {
    checkIsolated()
    deferred.append(body)
  }

  /// Calls `task.turnDidEnd()` once, before the loop next waits. After the loop's end the call is
  /// dropped.
  package func atEndOfTurn(_ task: any TurnEndTask) {
    checkIsolated()
    guard !isClosing else { return }
    turnEndTasks.append(task)
  }

  private func endTurn() {
    while !turnEndTasks.isEmpty {
      let tasks = turnEndTasks
      turnEndTasks = []
      for task in tasks { task.turnDidEnd() }
    }
  }

  /// Calls `fire` once, after `nanoseconds`, unless the timer is canceled first.
  package func schedule(after nanoseconds: UInt64, _ fire: @escaping () -> Void) -> any LoopTimer {
    checkIsolated()
    let (sum, overflow) = now.addingReportingOverflow(nanoseconds)
    return timers.add(deadline: overflow ? .max : sum, on: self, isClosing ? {} : fire)
  }

  /// Removes a canceled timer from the queue.
  func remove(_ timer: MemoryTimer) {
    checkIsolated()
    timers.remove(timer)
  }

  private func run() {
    var isStopping = false
    while !isStopping {
      let deadline = ready.isEmpty && deferred.isEmpty ? timers.deadline : 0
      let work: [Work]
      (work, isStopping) = inbox.wait(until: deadline) { inbox in
        inbox.work.isEmpty && !inbox.isStopping
      } then: {
        ($0.take(), $0.isStopping)
      }
      perform(work)
      if !isStopping { fireTimers() }
      if !isStopping { callBack() }
      if !isStopping { endTurn() }
    }
    isClosing = true
    for handle in handles.values { handle.shutDown() }
    handles = [:]
    ready = []
    deferred = []
    turnEndTasks = []
    timers.removeAll()
    drain()
  }

  /// Runs the remaining jobs, then lets the thread end.
  private func drain() {
    while true {
      let (work, waiters) = inbox.withLock { inbox in
        inbox.hasEnded = inbox.work.isEmpty && deferred.isEmpty
        if inbox.hasEnded { inbox.hasStopped = true }
        return (inbox.take(), inbox.hasEnded ? inbox.takeWaiters() : nil)
      }
      perform(work)
      callBack()
      guard let waiters else { continue }
      for waiter in waiters { waiter.resume() }
      return
    }
  }

  private func perform(_ work: [Work]) {
    for item in work {
      switch item {
      case .body(let body): body()
      case .wake(let handle): handles[handle]?.didWake()
      case .job(let job):
        // On both executors, so that a task that prefers the loop stays on its thread when it
        // enters and leaves an actor on the loop.
        job.runSynchronously(
          isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
      }
    }
  }

  private func fireTimers() {
    let start = now
    while let timer = timers.removeFirst(dueAt: start) { timer.fire() }
  }

  private func callBack() {
    let calls = deferred
    deferred = []
    for call in calls { call() }
    let woken = ready
    ready = []
    isReady = []
    for handle in woken { handles[handle]?.didWake() }
  }
}
