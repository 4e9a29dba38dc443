internal import CLibUV
internal import Glibc
internal import Synchronization
internal import TelpherTransport

extension UVLoop {
  /// Closes every handle that is left, without calling its callbacks, and ends the thread. A
  /// `connect` or `spawn` under way is completed with an error. From any thread but the loop's;
  /// returns when the thread has ended. A second call returns at once.
  public func shutDown() async {
    precondition(!isCurrent, "a loop can't wait for its own end")
    var isFirst = false
    await withCheckedContinuation { continuation in
      let isOver = withInbox { inbox in
        guard inbox.phase != .ended else { return true }
        inbox.waiters.append(continuation)
        if inbox.phase == .running {
          inbox.phase = .ending
          isFirst = true
          uv_async_send(wakeUp)
        }
        return false
      }
      if isOver { continuation.resume() }
    }
    // The thread has nothing left to do but to return.
    if isFirst { uv_thread_join(&thread) }
  }

  /// The end of the loop's thread: nothing of libuv's is left after it.
  func closeEverything() {
    takeMessages()
    doLocalWork()
    isClosing = true
    turnEndTasks = []
    Handle.closeAll(of: raw)
    // Returns once the close callbacks have been called and the worker threads have come back.
    uv_run(raw, UV_RUN_DEFAULT)
    let status = uv_loop_close(raw)
    precondition(status == 0, "every handle has been closed")
    spareWrites = []
    let waiters = withInbox { inbox in
      inbox.phase = .ended
      defer { inbox.waiters = [] }
      return inbox.waiters
    }
    serveLateJobs()
    for waiter in waiters { waiter.resume() }
  }

  /// Does what is still sent until nothing is left. One thread at a time does so (`isServed`).
  fileprivate func serveLateJobs() {
    threadNumber.store(currentThreadNumber(), ordering: .relaxed)
    repeat {
      takeMessages()
      while !local.isEmpty { doLocalWork() }
    } while !withInbox { inbox in
      guard inbox.messages.isEmpty else { return false }
      inbox.isServed = false
      // Under the lock: the next thread that serves sets its own number after it.
      threadNumber.store(0, ordering: .relaxed)
      return true
    }
  }

  /// Starts a thread for jobs that came after the end. Running them in the call that sent them could
  /// deadlock, with whatever lock that caller holds.
  func startLateThread() {
    var thread = uv_thread_t()
    let status = uv_thread_create(
      &thread, lateThreadMain, Unmanaged.passRetained(self).toOpaque())
    precondition(status == 0, "a thread can be had for the last jobs")
    pthread_detach(thread)
  }
}

private func lateThreadMain(_ loop: UnsafeMutableRawPointer?) {
  Unmanaged<UVLoop>.fromOpaque(loop!).takeRetainedValue().serveLateJobs()
}
