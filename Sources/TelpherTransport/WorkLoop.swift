/// An event loop that does its work through a `LoopWork`: the part of an executor that all backends
/// share. A backend adds how its thread waits for events and how it is woken.
package protocol WorkLoop: EventLoop {
  /// The work to do on the thread, and which thread that is. Its methods say from which thread they
  /// may be called.
  var work: LoopWork { get }
  /// Whether the shutdown has begun, so that no new handle is opened. On the thread only.
  var isClosing: Bool { get }

  /// Makes the thread call `takeMessages` soon. Called from any thread, under the lock of `work`,
  /// and only before the shutdown.
  func wakeUp()

  /// Keeps the loop from waiting for events while there is local work. On the thread only.
  func keepAwake()
}

extension WorkLoop {
  /// Runs `job` on the loop's thread. May be called from any thread; on the loop's own thread it
  /// takes no lock.
  ///
  /// After `shutDown`, jobs still run, one at a time, on a thread that is started for them. So a
  /// task that outlives its loop finishes instead of hanging forever.
  package func enqueueJob(_ job: UnownedJob) {
    if work.isCurrent {
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
  package func enqueueBody(_ body: @escaping @Sendable () -> Void) {
    guard work.isCurrent else { return send(.body(body)) }
    guard !isClosing else { return }
    // Messages that other threads sent earlier run first.
    takeMessages()
    enqueueLocally(.call(body))
  }

  /// Calls `body` on the loop's thread after the current callback or job. On the loop's thread only.
  package func callLater(_ body: @escaping () -> Void) {
    enqueueLocally(.call(body))
  }

  /// Calls `task.turnDidEnd()` once at the end of this turn. On the loop's thread only. After the
  /// shutdown has begun, the call is dropped.
  package func addTurnEndTask(_ task: any TurnEndTask) {
    checkIsolated()
    guard !isClosing else { return }
    work.atEndOfTurn(task)
  }

  /// Appends the messages of other threads to the local work. On the loop's thread only.
  package func takeMessages() {
    work.takeMessages()
    if !work.isEmpty { keepAwake() }
  }

  /// Does the local work, up to the limit of one turn. On the loop's thread only.
  package func performWork() {
    work.perform(as: asUnownedSerialExecutor(), asUnownedTaskExecutor())
  }

  /// Runs the jobs that still arrive after the loop's end until none is left, on the calling
  /// thread. See `LoopWork.serveLate`.
  package func serveLateJobs() {
    work.serveLate(as: asUnownedSerialExecutor(), asUnownedTaskExecutor())
  }

  private func enqueueLocally(_ item: LoopWork.Item) {
    work.append(item)
    keepAwake()
  }

  private func send(_ message: LoopWork.Message) {
    guard work.send(message, waking: { wakeUp() }) else { return }
    // The loop has ended. Running the job on the sender's thread could deadlock if the sender holds
    // a lock.
    let status = startThread { [self] in serveLateJobs() }
    precondition(status == 0, "a thread for the remaining jobs can be started")
  }
}
