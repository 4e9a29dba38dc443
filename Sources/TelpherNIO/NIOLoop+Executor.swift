internal import NIOCore
public import TelpherTransport

extension NIOLoop: WorkLoop {
  /// Runs `job` on the loop's thread, or after the loop's end on a thread that is started for it.
  public func enqueue(_ job: consuming ExecutorJob) { enqueueJob(UnownedJob(job)) }

  /// See `EventLoop.execute`.
  public func execute(_ body: @escaping @Sendable () -> Void) { enqueueBody(body) }

  /// See `EventLoop.atEndOfTurn`.
  ///
  /// NIO has no hook before it waits for I/O. But it does not wait while it has tasks, and such a
  /// task ends the turn.
  public func atEndOfTurn(_ task: any TurnEndTask) {
    addTurnEndTask(task)
    keepAwake()
  }

  /// Whether the caller is on this loop's thread. May be read from any thread.
  public var isCurrent: Bool { work.isCurrent }

  /// Traps on any other thread. The loop's memory is not protected against other threads.
  func preconditionIsCurrent() {
    precondition(work.isCurrent, "the handles of a loop are used on its thread only")
  }

  /// Wakes the loop with a task of NIO's.
  package func wakeUp() { eventLoop.execute { [self] in takeMessages() } }

  /// Schedules the task that does the local work; NIO does not wait while it has tasks.
  package func keepAwake() {
    guard !isDrainScheduled, !isClosing else { return }
    isDrainScheduled = true
    eventLoop.execute(drainTask)
  }

  /// Does the local work, and ends the turn if no work is left.
  func drain() {
    isDrainScheduled = false
    guard !isClosing else { return }
    performWork()
    if work.isEmpty { work.endTurn() }
    guard !work.isEmpty, !isDrainScheduled else { return }
    // NIO does not poll its sockets while it has tasks to run. A timer lets it poll first.
    isDrainScheduled = true
    _ = eventLoop.scheduleTask(in: .microseconds(20), drainTask)
  }
}
