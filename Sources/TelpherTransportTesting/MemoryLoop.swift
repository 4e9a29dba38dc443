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
/// `@unchecked Sendable`: `network`, `work` and `isAwake` are constant and Sendable. All other fields
/// are accessed only on the loop's thread.
package final class MemoryLoop: EventLoop, WorkLoop, @unchecked Sendable {
  /// The listeners and programs that this loop shares with others.
  package let network: MemoryNetwork

  /// The work to do on the thread.
  package let work = LoopWork()
  /// Whether the thread has messages to take. It waits for this.
  private let isAwake = Monitor(false)

  /// Open streams, listeners, watches and processes, by the number that identifies them for waking.
  private var handles: [Int: any MemoryHandle] = [:]
  private var lastHandle = 0
  /// Handles to wake in the next round.
  private var ready: [Int] = []
  private var isReady: Set<Int> = []
  private var timers = MemoryTimerQueue()
  /// Whether `shutDown` has begun to close the handles.
  package private(set) var isClosing = false
  var readBuffer = ReadBuffer()

  /// A loop with its own thread, which runs until `shutDown`.
  package init(network: MemoryNetwork = MemoryNetwork()) {
    self.network = network
    let status = startThread { [self] in run() }
    precondition(status == 0, "no thread for a loop: errno \(status)")
  }

  // MARK: Work from any thread

  /// Whether the caller is on this loop's thread.
  package var isCurrent: Bool { work.isCurrent }

  /// Runs `body` on the loop's thread, in the order of the calls; dropped after `shutDown`.
  package func execute(_ body: @escaping @Sendable () -> Void) { enqueueBody(body) }

  /// Runs a task's job on the loop's thread, or after the loop's end on a temporary thread.
  package func enqueue(_ job: consuming ExecutorJob) { enqueueJob(UnownedJob(job)) }

  /// Wakes the handle once for each call, in this or the next round, after the calls that are due,
  /// if it is still open. A listener counts on that. Any thread may call it.
  func wake(_ handle: Int) {
    execute { [self] in ready.append(handle) }
  }

  /// Wakes the loop from its wait.
  package func wakeUp() {
    isAwake.withLock { $0 = true }
    isAwake.signal()
  }

  /// Does nothing: the loop does not wait while there is local work.
  package func keepAwake() {}

  /// Closes every handle, without calling its callbacks, and ends the thread.
  package func shutDown() async {
    precondition(!isCurrent, "a loop can't wait for its own end")
    _ = await work.end { wakeUp() }
  }

  // MARK: Work on the loop's thread

  /// Nanoseconds of CLOCK_MONOTONIC.
  package var now: UInt64 { monotonicNow() }

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

  /// Calls `task.turnDidEnd()` once, before the loop next waits. After the loop's end the call is
  /// dropped.
  package func atEndOfTurn(_ task: any TurnEndTask) { addTurnEndTask(task) }

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
    work.takeOver()
    while true {
      let deadline = ready.isEmpty && work.isEmpty ? timers.deadline : 0
      isAwake.wait(until: deadline) {
        !$0
      } then: {
        $0 = false
      }
      takeMessages()
      performWork()
      if work.isEnding { return close() }
      fireTimers()
      wakeReadyHandles()
      work.endTurn()
    }
  }

  /// Closes every handle. This is the last work of the loop's thread.
  private func close() {
    isClosing = true
    work.dropTurnEndTasks()
    for handle in handles.values { handle.shutDown() }
    handles = [:]
    ready = []
    timers.removeAll()
    let waiters = work.didEnd()
    serveLateJobs()
    for waiter in waiters { waiter.resume() }
  }

  private func fireTimers() {
    let start = now
    while let timer = timers.removeFirst(dueAt: start) { timer.fire() }
  }

  private func wakeReadyHandles() {
    let woken = ready
    ready = []
    isReady = []
    for handle in woken { handles[handle]?.didWake() }
  }
}
