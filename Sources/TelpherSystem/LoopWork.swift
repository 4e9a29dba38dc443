internal import Glibc
package import Synchronization
package import TelpherTransport

/// What is to be done on a loop's thread, and how it gets there: the executor's part of a loop,
/// without the events that a backend watches.
///
/// Work from other threads goes into an inbox, behind a lock, and the first message in an empty inbox
/// wakes the loop. Work from the thread itself goes into a list, without a lock, which the loop does
/// after the events of its turn.
///
/// `@unchecked Sendable`: each field says what protects it. "The thread" below means whoever
/// `threadNumber` names: the loop's thread, or after its end the one that does the late jobs.
package final class LoopWork: @unchecked Sendable {
  /// One thing to do on the loop's thread.
  package enum Item {
    /// A piece of a task or an actor's method.
    case job(UnownedJob)
    /// A callback that may not come from within the call that caused it.
    case call(() -> Void)
  }

  /// One thing that another thread wants done.
  package enum Message: Sendable {
    /// A piece of a task or an actor's method.
    case job(UnownedJob)
    /// A body given to `execute`.
    case body(@Sendable () -> Void)
  }

  /// What other threads have sent, and whether anybody will look.
  private struct Inbox {
    /// The stages of a loop's life, in order.
    enum Phase {
      /// Messages wake the loop.
      case running
      /// The end was asked for: jobs are kept for the end, and bodies dropped.
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

  /// The thread that the work is done on, as pthread_self(3), or 0. Atomic.
  package let threadNumber = Atomic<UInt>(0)
  /// What other threads have sent. Has a lock of its own.
  private let inbox = Lock(Inbox())
  /// Work from the thread itself, in order. Only the thread uses it.
  private var local: [Item] = []
  /// The part of it that is being done. Only the thread uses it.
  private var batch: [Item] = []
  /// Emptied messages, kept for their memory. Only the thread uses it.
  private var emptied: [Message] = []
  /// What waits for the end of the turn. Only the thread uses it.
  private var turnEndTasks: [any TurnEndTask] = []
  /// The part of it that is being done. Only the thread uses it.
  private var endingTasks: [any TurnEndTask] = []
  /// Whether the end had been asked for when messages were last taken. Only the thread uses it.
  package private(set) var isEnding = false

  /// Nothing to do yet, and no thread to do it.
  package init() {}

  /// The calling thread does the work from now on.
  package func takeOver() { threadNumber.store(UInt(pthread_self()), ordering: .relaxed) }

  // MARK: - From other threads

  /// Sends a message. `wake`, where it is called, has the thread call `takeMessages` soon; it is
  /// called under the lock, since nobody may touch a loop whose end has begun.
  ///
  /// - Returns: whether the thread has ended, and one is to be started that calls `serveLate`.
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

  /// Returns when `didEnd` has been called, and the waiters that it returned were resumed. The first
  /// call asks for the end: `begin`, called under the lock, has the thread see to it.
  ///
  /// - Returns: whether it was this call that asked.
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

  /// Whether there is nothing to do.
  package var isEmpty: Bool { local.isEmpty }

  /// Adds something behind what there is to do.
  package func append(_ item: Item) { local.append(item) }

  /// Moves what other threads have sent behind what there is to do.
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

  /// Does what there is to do, and what comes of it, up to a limit: jobs that always make new ones
  /// may not keep the loop from its I/O. The jobs are run as those of both executors: then neither an
  /// actor on the loop nor a task that prefers it leaves the thread.
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

  /// Has `task` told, once, of the end of this turn.
  package func atEndOfTurn(_ task: any TurnEndTask) { turnEndTasks.append(task) }

  /// Ends the turn; tasks that come of it belong to the same end.
  package func endTurn() {
    while !turnEndTasks.isEmpty {
      swap(&turnEndTasks, &endingTasks)
      for index in endingTasks.indices { endingTasks[index].turnDidEnd() }
      endingTasks.removeAll(keepingCapacity: true)
    }
  }

  // MARK: - The end

  /// Nobody is told of the end of this turn.
  package func dropTurnEndTasks() { turnEndTasks = [] }

  /// The loop is closed; jobs may still come.
  ///
  /// - Returns: who waits for that, to be resumed behind `serveLate`.
  package func didEnd() -> [CheckedContinuation<Void, Never>] {
    inbox.withLock { inbox in
      inbox.phase = .ended
      defer { inbox.waiters = [] }
      return inbox.waiters
    }
  }

  /// Does what is still sent until nothing is left, on the calling thread, which is the thread until
  /// then. One thread at a time does so: `didEnd`'s, then the one that `send` asks for.
  package func serveLate(as serial: UnownedSerialExecutor, _ task: UnownedTaskExecutor) {
    takeOver()
    repeat {
      takeMessages()
      while !local.isEmpty { perform(as: serial, task) }
    } while !inbox.withLock { inbox in
      guard inbox.messages.isEmpty else { return false }
      inbox.isServed = false
      // Under the lock: the next thread that serves sets its own number after it.
      threadNumber.store(0, ordering: .relaxed)
      return true
    }
  }
}
