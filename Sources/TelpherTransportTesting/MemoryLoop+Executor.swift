internal import Glibc
package import TelpherTransport

extension MemoryLoop: WorkLoop {
  /// Runs `job` on the loop's thread, or after the loop's end on a thread that is started for it.
  package func enqueue(_ job: consuming ExecutorJob) { enqueueJob(UnownedJob(job)) }

  /// See `EventLoop.execute`.
  package func execute(_ body: @escaping @Sendable () -> Void) { enqueueBody(body) }

  /// See `EventLoop.atEndOfTurn`.
  package func atEndOfTurn(_ task: any TurnEndTask) { addTurnEndTask(task) }

  /// Whether the caller is on this loop's thread. May be read from any thread.
  package var isCurrent: Bool { work.isCurrent }

  /// Ends the wait for the next turn.
  package func wakeUp() {
    alarm.withLock { $0 = true }
    alarm.signal()
  }

  /// Does nothing: the loop looks for local work before it waits.
  package func keepAwake() {}

  /// Wakes the handle if it is still open. Any thread may call it.
  func wake(_ handle: Int) {
    execute { [self] in didWake(handle) }
  }

  /// Closes every handle, without calling its callbacks, and ends the thread.
  package func shutDown() async {
    precondition(!isCurrent, "a loop can't wait for its own end")
    let isFirst = await work.end { wakeUp() }
    // The thread resumes this call as its last action, so the join returns almost at once.
    if isFirst { pthread_join(thread, nil) }
  }

  /// The main function of the loop's thread.
  func run() {
    work.takeOver()
    while true {
      alarm.wait(until: nextTurn, while: { !$0 }, then: { $0 = false })
      takeMessages()
      if work.isEnding { break }
      performEvents()
      performWork()
      work.endTurn()
    }
    performWork()
    work.dropTurnEndTasks()
    closeHandles()
    let waiters = work.didEnd()
    serveLateJobs()
    for waiter in waiters { waiter.resume() }
  }
}
