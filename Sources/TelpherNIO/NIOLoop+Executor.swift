internal import NIOCore
public import TelpherTransport

extension NIOLoop {
  /// On the loop's own thread it takes no lock.
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

  public func execute(_ body: @escaping @Sendable () -> Void) {
    guard isCurrent else { return send(.body(body)) }
    guard !isClosing else { return }
    // Messages that other threads sent earlier run first.
    takeMessages()
    enqueueLocally(.call(body))
  }

  public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    UnownedSerialExecutor(ordinary: self)
  }

  public func asUnownedTaskExecutor() -> UnownedTaskExecutor {
    UnownedTaskExecutor(ordinary: self)
  }

  public func checkIsolated() {
    preconditionIsCurrent()
  }

  /// `assumeIsolated` asks this in callbacks.
  public func isIsolatingCurrentContext() -> Bool? {
    isCurrent
  }

  /// Calls `body` on the loop's thread after the current callback or job. Call it on the loop's
  /// thread.
  func callLater(_ body: @escaping () -> Void) {
    enqueueLocally(.call(body))
  }

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
