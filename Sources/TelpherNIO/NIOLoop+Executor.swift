internal import NIOCore
internal import TelpherSystem
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
    /// `shutDown` was called: jobs are kept for the end, and bodies dropped.
    case ending
    /// NIO's thread has ended: a thread is started for the jobs that still come.
    case ended
  }

  var messages: [Message] = []
  var phase = Phase.running
  /// Whether some thread will do what is in `messages` before it ends. Only looked at once ended.
  var isServed = true
  /// Who waits for the end.
  var waiters: [CheckedContinuation<Void, Never>] = []
}

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
    turnEndTasks.append(task)
    scheduleDrain()
  }

  private func enqueueLocally(_ work: Work) {
    local.append(work)
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
    if local.isEmpty { endTurn() }
    guard !local.isEmpty, !isDrainScheduled else { return }
    // NIO does not look at its sockets while it has tasks to do: only the wait for a timer lets it.
    isDrainScheduled = true
    _ = eventLoop.scheduleTask(in: .microseconds(20), drainTask)
  }

  /// Ends the turn; tasks that come of it belong to the same end.
  private func endTurn() {
    while !turnEndTasks.isEmpty {
      swap(&turnEndTasks, &endingTasks)
      for index in endingTasks.indices { endingTasks[index].turnDidEnd() }
      endingTasks.removeAll(keepingCapacity: true)
    }
  }

  private func send(_ message: Message) {
    let needsThread = inbox.withLock { inbox in
      if inbox.phase != .running, case .body = message { return false }
      inbox.messages.append(message)
      if inbox.phase == .ended {
        defer { inbox.isServed = true }
        return !inbox.isServed
      }
      // Under the lock, because NIO's loop takes no tasks any more once its end has begun.
      if inbox.phase == .running && inbox.messages.count == 1 {
        eventLoop.execute { [self] in takeMessages() }
      }
      return false
    }
    if needsThread { startLateThread() }
  }

  /// Moves what other threads have sent behind the local work.
  func takeMessages() {
    var messages = emptied
    emptied = []
    inbox.withLock { swap(&$0.messages, &messages) }
    for message in messages {
      switch message {
      case .job(let job): enqueueLocally(.job(job))
      case .body(let body): enqueueLocally(.call(body))
      }
    }
    messages.removeAll(keepingCapacity: true)
    emptied = messages
  }

  /// Does the local work, and the work that comes of it, up to a limit: jobs that always make new
  /// ones may not keep the loop from its I/O.
  func doLocalWork() {
    var budget = 1024
    while !local.isEmpty && budget > 0 {
      swap(&local, &batch)
      budget -= batch.count
      for index in batch.indices { perform(batch[index]) }
      batch.removeAll(keepingCapacity: true)
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
