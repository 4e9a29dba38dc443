internal import CLibUV
public import TelpherTransport

extension UVLoop {
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

  /// The task runs in libuv's prepare handle. libuv computes its timeout after the prepare handles,
  /// so it also respects timers that the task starts.
  public func atEndOfTurn(_ task: any TurnEndTask) {
    preconditionIsCurrent()
    guard !isClosing else { return }
    work.atEndOfTurn(task)
  }

  /// Ends the turn. Tasks that are added meanwhile run in the same call.
  func endTurn() {
    share.endTurn()
    work.endTurn()
  }

  private func enqueueLocally(_ item: LoopWork.Item) {
    work.append(item)
    keepAwake()
  }

  /// Keeps the loop from waiting for events while there is local work.
  private func keepAwake() {
    if !isIdling && !isClosing {
      isIdling = true
      uv_idle_start(idle) { _ in }
    }
  }

  private func send(_ message: LoopWork.Message) {
    if work.send(message, waking: { uv_async_send(wakeUp) }) { startLateThread() }
  }

  /// Appends the messages of other threads to the local work.
  func takeMessages() {
    work.takeMessages()
    if !work.isEmpty { keepAwake() }
  }

  func didWakeUp() {
    takeMessages()
    if work.isEnding { uv_stop(raw) }
  }

  /// Does the local work. If it exceeds the limit of one turn, the rest is done in the next turn.
  func doLocalWork() {
    work.perform(as: asUnownedSerialExecutor(), asUnownedTaskExecutor())
    if isIdling && work.isEmpty {
      isIdling = false
      uv_idle_stop(idle)
    }
  }
}
