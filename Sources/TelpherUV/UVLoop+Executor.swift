internal import CLibUV
internal import TelpherSystem
public import TelpherTransport

extension UVLoop {
  /// Runs `job` on the loop's thread. From any thread; on the loop's own without a lock.
  ///
  /// After `shutDown` jobs are still run, one at a time, on a thread that is started for them: a
  /// task that outlives its loop can come to its end, where it would otherwise hang for ever.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if isCurrent {
      enqueueLocally(.job(job))
    } else {
      // Whoever enqueues holds no reference to its executor, and after `shutDown` the job may drop
      // the last one on another thread while this one is still in here.
      let kept = Unmanaged.passRetained(self)
      defer { kept.release() }
      send(.job(job))
    }
  }

  /// Runs `body` on the loop's thread, soon and in the order of the calls. From any thread. After
  /// `shutDown` it is dropped.
  public func execute(_ body: @escaping @Sendable () -> Void) {
    guard isCurrent else { return send(.body(body)) }
    guard !isClosing else { return }
    // What other threads sent before stays before.
    takeMessages()
    enqueueLocally(.call(body))
  }

  /// This loop as the executor of an actor.
  public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    UnownedSerialExecutor(ordinary: self)
  }

  /// This loop as the executor that a task prefers.
  public func asUnownedTaskExecutor() -> UnownedTaskExecutor {
    UnownedTaskExecutor(ordinary: self)
  }

  /// Traps when the caller is not on the loop's thread.
  public func checkIsolated() {
    preconditionIsCurrent()
  }

  /// Whether the caller is on the loop's thread, as `assumeIsolated` asks in a callback of libuv.
  public func isIsolatingCurrentContext() -> Bool? {
    isCurrent
  }

  /// Calls `body` after the present callback or job, on the loop's thread, from which it is called.
  func callLater(_ body: @escaping () -> Void) {
    enqueueLocally(.call(body))
  }

  /// Calls `task.turnDidEnd()` once, right before the loop waits for I/O next: libuv works out how
  /// long to wait after its prepare handles, so what these start is not waited past.
  public func atEndOfTurn(_ task: any TurnEndTask) {
    preconditionIsCurrent()
    guard !isClosing else { return }
    work.atEndOfTurn(task)
  }

  /// Ends the turn; tasks that come of it belong to the same end.
  func endTurn() {
    share.endTurn()
    work.endTurn()
  }

  private func enqueueLocally(_ item: LoopWork.Item) {
    work.append(item)
    keepAwake()
  }

  /// Work is there: the loop does not wait for events.
  private func keepAwake() {
    if !isIdling && !isClosing {
      isIdling = true
      uv_idle_start(idle) { _ in }
    }
  }

  private func send(_ message: LoopWork.Message) {
    if work.send(message, waking: { uv_async_send(wakeUp) }) { startLateThread() }
  }

  /// Moves what other threads have sent behind the local work.
  func takeMessages() {
    work.takeMessages()
    if !work.isEmpty { keepAwake() }
  }

  func didWakeUp() {
    takeMessages()
    if work.isEnding { uv_stop(raw) }
  }

  /// Does the local work. What is beyond its limit is done in the next turn.
  func doLocalWork() {
    work.perform(as: asUnownedSerialExecutor(), asUnownedTaskExecutor())
    if isIdling && work.isEmpty {
      isIdling = false
      uv_idle_stop(idle)
    }
  }
}
