internal import CLibUV
internal import Glibc
internal import TelpherSystem
internal import TelpherTransport

extension UVLoop {
  /// Closes every handle that is left, without calling its callbacks, and ends the thread. A
  /// `connect` or `spawn` under way is completed with an error. From any thread but the loop's;
  /// returns when the thread has ended. A second call returns at once.
  public func shutDown() async {
    precondition(!isCurrent, "a loop can't wait for its own end")
    let isFirst = await work.end { uv_async_send(wakeUp) }
    // The thread has nothing left to do but to return.
    if isFirst { uv_thread_join(&thread) }
  }

  /// The end of the loop's thread: nothing of libuv's is left after it.
  func closeEverything() {
    takeMessages()
    doLocalWork()
    isClosing = true
    work.dropTurnEndTasks()
    Handle.closeAll(of: raw)
    // Returns once the close callbacks have been called and the worker threads have come back.
    uv_run(raw, UV_RUN_DEFAULT)
    let status = uv_loop_close(raw)
    precondition(status == 0, "every handle has been closed")
    spareWrites = []
    let waiters = work.didEnd()
    serveLateJobs()
    for waiter in waiters { waiter.resume() }
  }

  fileprivate func serveLateJobs() {
    work.serveLate(as: asUnownedSerialExecutor(), asUnownedTaskExecutor())
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
