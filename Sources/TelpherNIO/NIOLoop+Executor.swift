internal import NIOCore
internal import TelpherSystem
public import TelpherTransport

extension NIOLoop {
  /// Runs `job` on the loop's thread. May be called from any thread; on the loop's own thread it
  /// takes no lock.
  ///
  /// After `shutDown`, jobs still run, one at a time, on a thread that is started for them. So a
  /// task that outlives its loop finishes instead of hanging forever.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if isCurrent {
      enqueueLocally(.job(job))
    } else {
      // The caller holds no reference to this executor. After `shutDown`, another thread may run
      // the job and release the last reference while this call is still running.
      let kept = Unmanaged.passRetained(self)
      defer { kept.release() }
      send(.job(job))
    }
  }

  /// Runs `body` on the loop's thread soon, in the order of the calls. May be called from any
  /// thread. After `shutDown`, `body` is dropped.
  public func execute(_ body: @escaping @Sendable () -> Void) {
    guard isCurrent else { return send(.body(body)) }
    guard !isClosing else { return }
    // Messages that other threads sent earlier run first.
    takeMessages()
    enqueueLocally(.call(body))
  }

  /// The loop as the serial executor of an actor.
  public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    UnownedSerialExecutor(ordinary: self)
  }

  /// The loop as the preferred executor of a task.
  public func asUnownedTaskExecutor() -> UnownedTaskExecutor {
    UnownedTaskExecutor(ordinary: self)
  }

  /// Traps unless the caller is on the loop's thread.
  public func checkIsolated() {
    preconditionIsCurrent()
  }

  /// Whether the caller is on the loop's thread. `assumeIsolated` asks this in callbacks.
  public func isIsolatingCurrentContext() -> Bool? {
    isCurrent
  }

  /// Calls `body` on the loop's thread after the current callback or job. Call it on the loop's
  /// thread.
  func callLater(_ body: @escaping () -> Void) {
    enqueueLocally(.call(body))
  }

  /// Calls `task.turnDidEnd()` once, after the events and the work of this turn. Call it on the
  /// loop's thread.
  ///
  /// NIO has no hook before it waits for I/O. But it does not wait while it has tasks, and such a
  /// task ends the turn.
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

  /// Does the local work, and ends the turn if no work is left.
  func drain() {
    isDrainScheduled = false
    guard !isClosing else { return }
    doLocalWork()
    if work.isEmpty { work.endTurn() }
    guard !work.isEmpty, !isDrainScheduled else { return }
    // NIO does not poll its sockets while it has tasks to run. A timer lets it poll first.
    isDrainScheduled = true
    _ = eventLoop.scheduleTask(in: .microseconds(20), drainTask)
  }

  private func send(_ message: LoopWork.Message) {
    let needsThread = work.send(message) { eventLoop.execute { [self] in takeMessages() } }
    if needsThread { startLateThread() }
  }

  /// Appends the messages of other threads to the local work.
  func takeMessages() {
    work.takeMessages()
    if !work.isEmpty { scheduleDrain() }
  }

  /// Does the local work, up to its limit.
  func doLocalWork() {
    work.perform(as: asUnownedSerialExecutor(), asUnownedTaskExecutor())
  }
}
