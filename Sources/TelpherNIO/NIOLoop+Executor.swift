internal import NIOCore
internal import TelpherSystem
public import TelpherTransport

extension NIOLoop {
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

  /// Whether the caller is on the loop's thread, as `assumeIsolated` asks in a callback.
  public func isIsolatingCurrentContext() -> Bool? {
    isCurrent
  }

  /// Calls `body` after the present callback or job, on the loop's thread, from which it is called.
  func callLater(_ body: @escaping () -> Void) {
    enqueueLocally(.call(body))
  }

  /// Calls `task.turnDidEnd()` once, after the events and the work of this turn. NIO has no hook
  /// before its wait; but it does not wait while it has tasks, and the end of a turn is in one.
  public func atEndOfTurn(_ task: any TurnEndTask) {
    preconditionIsCurrent()
    guard !isClosing else { return }
    work.atEndOfTurn(task)
    scheduleDrain()
  }

  private func enqueueLocally(_ item: LoopWork.Item) {
    work.append(item)
    scheduleDrain()
  }

  private func scheduleDrain() {
    guard !isDrainScheduled, !isClosing else { return }
    isDrainScheduled = true
    eventLoop.execute(drainTask)
  }

  /// Does the local work, and ends the turn when none is left.
  func drain() {
    isDrainScheduled = false
    guard !isClosing else { return }
    doLocalWork()
    if work.isEmpty { work.endTurn() }
    guard !work.isEmpty, !isDrainScheduled else { return }
    // NIO does not look at its sockets while it has tasks to do: only the wait for a timer lets it.
    isDrainScheduled = true
    _ = eventLoop.scheduleTask(in: .microseconds(20), drainTask)
  }

  private func send(_ message: LoopWork.Message) {
    let needsThread = work.send(message) { eventLoop.execute { [self] in takeMessages() } }
    if needsThread { startLateThread() }
  }

  /// Moves what other threads have sent behind the local work.
  func takeMessages() {
    work.takeMessages()
    if !work.isEmpty { scheduleDrain() }
  }

  /// Does the local work, up to its limit.
  func doLocalWork() {
    work.perform(as: asUnownedSerialExecutor(), asUnownedTaskExecutor())
  }
}
