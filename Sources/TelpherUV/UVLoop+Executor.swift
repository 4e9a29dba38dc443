internal import CLibUV
public import TelpherTransport

extension UVLoop: WorkLoop {
  /// Runs `job` on the loop's thread, or after the loop's end on a thread that is started for it.
  public func enqueue(_ job: consuming ExecutorJob) { enqueueJob(UnownedJob(job)) }

  /// See `EventLoop.execute`.
  public func execute(_ body: @escaping @Sendable () -> Void) { enqueueBody(body) }

  /// See `EventLoop.atEndOfTurn`.
  ///
  /// `task` runs in libuv's prepare handle. libuv computes its timeout after the prepare handles, so
  /// it also respects timers that `task` starts.
  public func atEndOfTurn(_ task: any TurnEndTask) { addTurnEndTask(task) }

  /// Whether the caller is on this loop's thread. May be read from any thread.
  public var isCurrent: Bool { work.isCurrent }

  /// Traps on any other thread. The loop's memory is not protected against other threads.
  func preconditionIsCurrent() {
    precondition(work.isCurrent, "the handles of a loop are used on its thread only")
  }

  /// Wakes the loop with its async handle.
  package func wakeUp() { uv_async_send(alarm) }

  /// Makes the idle handle active, with which libuv does not wait.
  package func keepAwake() {
    if !isIdling && !isClosing {
      isIdling = true
      uv_idle_start(idle) { _ in }
    }
  }

  func didWakeUp() {
    takeMessages()
    if work.isEnding { uv_stop(raw) }
  }

  /// Does the local work. If it exceeds the limit of one turn, the rest is done in the next turn.
  func doLocalWork() {
    performWork()
    if isIdling && work.isEmpty {
      isIdling = false
      uv_idle_stop(idle)
    }
  }

  /// Ends the turn. Tasks that are added meanwhile run in the same call.
  func endTurn() {
    share.endTurn()
    work.endTurn()
  }
}
