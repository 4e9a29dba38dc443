internal import CLibUV
public import TelpherTransport

/// One thing to do on the loop's thread.
enum Work {
  /// A piece of a task or an actor's method.
  case job(UnownedJob)
  /// A callback that may not come from within the call that caused it.
  case call(() -> Void)
}

/// One thing that another thread wants done.
enum Message: Sendable {
  /// A piece of a task or an actor's method.
  case job(UnownedJob)
  /// A body given to `execute`.
  case body(@Sendable () -> Void)
}

/// What other threads have sent, and whether anybody will look.
struct Inbox {
  /// The stages of a loop's life, in order.
  enum Phase {
    /// Messages wake the loop.
    case running
    /// `shutDown` was called: the loop will do the jobs that still come, and drop the bodies.
    case ending
    /// The thread has ended: a thread is started for the jobs that still come.
    case ended
  }

  var messages: [Message] = []
  var phase = Phase.running
  /// Whether some thread will do what is in `messages` before it ends. Only looked at once ended.
  var isServed = true
  /// Who waits for the end.
  var waiters: [CheckedContinuation<Void, Never>] = []
}

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
    turnEndTasks.append(task)
  }

  /// Ends the turn; tasks that come of it belong to the same end.
  func endTurn() {
    turn &+= 1
    while !turnEndTasks.isEmpty {
      swap(&turnEndTasks, &endingTasks)
      for index in endingTasks.indices { endingTasks[index].turnDidEnd() }
      endingTasks.removeAll(keepingCapacity: true)
    }
  }

  private func enqueueLocally(_ work: Work) {
    local.append(work)
    if !isIdling && !isClosing {
      isIdling = true
      uv_idle_start(idle) { _ in }
    }
  }

  private func send(_ message: Message) {
    let needsThread = withInbox { inbox in
      if inbox.phase != .running, case .body = message { return false }
      inbox.messages.append(message)
      if inbox.phase == .ended {
        defer { inbox.isServed = true }
        return !inbox.isServed
      }
      // Under the lock, because nobody may touch the handle once the loop has closed it.
      if inbox.phase == .running && inbox.messages.count == 1 { uv_async_send(wakeUp) }
      return false
    }
    if needsThread { startLateThread() }
  }

  /// Moves what other threads have sent behind the local work.
  func takeMessages() {
    swapMessages()
    for message in emptied {
      switch message {
      case .job(let job): enqueueLocally(.job(job))
      case .body(let body): enqueueLocally(.call(body))
      }
    }
    emptied.removeAll(keepingCapacity: true)
  }

  private func swapMessages() {
    var messages = emptied
    emptied = []
    withInbox { swap(&$0.messages, &messages) }
    emptied = messages
  }

  func didWakeUp() {
    takeMessages()
    if withInbox({ $0.phase != .running }) { uv_stop(raw) }
  }

  /// Does the local work, and the work that comes of it, up to a limit: jobs that always make new
  /// ones may not keep the loop from its I/O. What is left is done in the next turn.
  func doLocalWork() {
    var budget = 1024
    while !local.isEmpty && budget > 0 {
      swap(&local, &batch)
      budget -= batch.count
      for index in batch.indices { perform(batch[index]) }
      batch.removeAll(keepingCapacity: true)
    }
    if isIdling && local.isEmpty {
      isIdling = false
      uv_idle_stop(idle)
    }
  }

  private func perform(_ work: Work) {
    switch work {
    case .job(let job):
      // With both, neither an actor on this loop nor a task that prefers it leaves the thread.
      job.runSynchronously(
        isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
    case .call(let body): body()
    }
  }
}
