internal import Glibc
internal import Synchronization

/// The work queue of a loop's thread: the executor part of a loop, without the events that a
/// backend watches.
///
/// Work from other threads goes into an inbox protected by a lock. The first message in an empty
/// inbox wakes the loop. Work from the thread itself goes into a list without a lock, which the
/// loop runs after the events of its turn.
///
/// `@unchecked Sendable`: the comment of each field says what protects it. "The thread" below is
/// the thread that `threadNumber` names: the loop's thread, or after its end the thread that runs
/// the late jobs.
package final class LoopWork: @unchecked Sendable {
  /// One piece of work for the loop's thread.
  package enum Item {
    /// A job of a task or actor.
    case job(UnownedJob)
    /// A callback that must not run inside the call that caused it.
    case call(() -> Void)
  }

  /// One piece of work from another thread.
  package enum Message: Sendable {
    /// A job of a task or actor.
    case job(UnownedJob)
    /// A body passed to `execute`.
    case body(@Sendable () -> Void)
  }

  /// The messages of other threads, and the state that decides whether they will be handled.
  private struct Inbox {
    /// The phases of a loop, in order.
    enum Phase {
      /// Messages wake the loop.
      case running
      /// Shutdown was requested. Jobs are kept until the end; bodies are dropped.
      case ending
      /// The thread has ended. A new thread is started for jobs that still arrive.
      case ended
    }

    var messages: [Message] = []
    var phase = Phase.running
    /// Whether some thread will handle `messages` before it ends. Used only in phase `ended`.
    var isServed = true
    /// The callers that wait for the end.
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  /// The thread that does the work, as pthread_self(3), or 0. Atomic.
  private let threadNumber = Atomic<UInt>(0)
  /// The messages of other threads. Has its own lock.
  private let inbox = Monitor(Inbox())
  /// Work from the thread itself, in order. Only the thread uses it.
  private var local: [Item] = []
  /// The part of `local` that is being run. Only the thread uses it.
  private var batch: [Item] = []
  /// An emptied message list, kept for its memory. Only the thread uses it.
  private var emptied: [Message] = []
  /// The tasks to run at the end of the turn. Only the thread uses it.
  private var turnEndTasks: [any TurnEndTask] = []
  /// The part of `turnEndTasks` that is being run. Only the thread uses it.
  private var endingTasks: [any TurnEndTask] = []
  /// Whether shutdown had been requested when messages were last taken. Only the thread uses it.
  package private(set) var isEnding = false

  /// Creates a queue without work and without a thread.
  package init() {}

  /// Whether the caller is on the thread that does the work.
  package var isCurrent: Bool {
    threadNumber.load(ordering: .relaxed) == UInt(pthread_self())
  }

  /// Makes the calling thread the one that does the work.
  package func takeOver() { threadNumber.store(UInt(pthread_self()), ordering: .relaxed) }

  // MARK: - From other threads

  /// Sends a message. Calls `wake` if the loop must be woken; `wake` has to make the thread call
  /// `takeMessages` soon. It is called under the lock, because no thread may touch a loop that has
  /// begun to shut down.
  ///
  /// - Returns: Whether the loop's thread has ended and the caller has to start a thread that calls
  ///   `serveLate`.
  package func send(_ message: Message, waking wake: () -> Void) -> Bool {
    inbox.withLock { inbox in
      if inbox.phase != .running, case .body = message { return false }
      inbox.messages.append(message)
      if inbox.phase == .ended {
        defer { inbox.isServed = true }
        return !inbox.isServed
      }
      if inbox.phase == .running && inbox.messages.count == 1 { wake() }
      return false
    }
  }

  /// Requests shutdown and returns after the loop has ended: when `didEnd` was called and the
  /// waiters that it returned were resumed. Only the first call runs `begin`, under the lock;
  /// `begin` has to make the thread shut down.
  ///
  /// - Returns: Whether this was the first call.
  package func end(_ begin: () -> Void) async -> Bool {
    var isFirst = false
    await withCheckedContinuation { continuation in
      let isOver = inbox.withLock { inbox in
        guard inbox.phase != .ended else { return true }
        inbox.waiters.append(continuation)
        if inbox.phase == .running {
          inbox.phase = .ending
          isFirst = true
          begin()
        }
        return false
      }
      if isOver { continuation.resume() }
    }
    return isFirst
  }

  // MARK: - On the thread

  /// Whether there is no local work.
  package var isEmpty: Bool { local.isEmpty }

  /// Adds an item at the end of the local work.
  package func append(_ item: Item) { local.append(item) }

  /// Appends the messages of other threads to the local work.
  package func takeMessages() {
    var messages = emptied
    emptied = []
    isEnding = inbox.withLock { inbox in
      swap(&inbox.messages, &messages)
      return inbox.phase != .running
    }
    for message in messages {
      switch message {
      case .job(let job): local.append(.job(job))
      case .body(let body): local.append(.call(body))
      }
    }
    messages.removeAll(keepingCapacity: true)
    emptied = messages
  }

  /// Runs the local work, and the work that it adds, up to a limit. The limit keeps jobs that
  /// always create new ones from blocking the loop's I/O.
  ///
  /// Jobs run as jobs of both executors, so neither an actor on the loop nor a task that prefers it
  /// leaves the thread.
  package func perform(as serial: UnownedSerialExecutor, _ task: UnownedTaskExecutor) {
    var budget = 1024
    while !local.isEmpty && budget > 0 {
      swap(&local, &batch)
      budget -= batch.count
      for index in batch.indices {
        switch batch[index] {
        case .job(let job): job.runSynchronously(isolatedTo: serial, taskExecutor: task)
        case .call(let body): body()
        }
      }
      batch.removeAll(keepingCapacity: true)
    }
  }

  /// Adds `task` to those that run once at the end of this turn.
  package func atEndOfTurn(_ task: any TurnEndTask) { turnEndTasks.append(task) }

  /// Ends the turn: runs the tasks of `atEndOfTurn`. Tasks that are added meanwhile run in the same
  /// call.
  package func endTurn() {
    while !turnEndTasks.isEmpty {
      swap(&turnEndTasks, &endingTasks)
      for index in endingTasks.indices { endingTasks[index].turnDidEnd() }
      endingTasks.removeAll(keepingCapacity: true)
    }
  }

  // MARK: - The end

  /// Drops the tasks of `atEndOfTurn` without running them.
  package func dropTurnEndTasks() { turnEndTasks = [] }

  /// Notes that the loop is closed. Jobs may still arrive.
  ///
  /// - Returns: The callers that wait for the end. Resume them after `serveLate`.
  package func didEnd() -> [CheckedContinuation<Void, Never>] {
    inbox.withLock { inbox in
      inbox.phase = .ended
      defer { inbox.waiters = [] }
      return inbox.waiters
    }
  }

  /// Runs the jobs that still arrive until none is left, on the calling thread, which is "the
  /// thread" until then. Only one thread at a time does this: first the one that called `didEnd`,
  /// then those that `send` asks for.
  package func serveLate(as serial: UnownedSerialExecutor, _ task: UnownedTaskExecutor) {
    takeOver()
    repeat {
      takeMessages()
      while !local.isEmpty { perform(as: serial, task) }
    } while !inbox.withLock { inbox in
      guard inbox.messages.isEmpty else { return false }
      inbox.isServed = false
      // Cleared under the lock: the next thread that serves sets its own number after this.
      threadNumber.store(0, ordering: .relaxed)
      return true
    }
  }
}
