internal import CLibUV
internal import TelpherTransport

extension UVLoop {
  public func shutDown() async {
    precondition(!isCurrent, "a loop can't wait for its own end")
    let isFirst = await work.end { uv_async_send(alarm) }
    // The thread returns now, so joining it does not block for long.
    if isFirst { uv_thread_join(&thread) }
  }

  /// Closes every handle and libuv's loop. This is the last work of the loop's thread.
  func closeEverything() {
    takeMessages()
    doLocalWork()
    isClosing = true
    work.dropTurnEndTasks()
    Handle.closeAll(of: raw)
    // Returns when all close callbacks have run and the worker threads have finished.
    uv_run(raw, UV_RUN_DEFAULT)
    let status = uv_loop_close(raw)
    precondition(status == 0, "every handle has been closed")
    spareWrites = []
    let waiters = work.didEnd()
    serveLateJobs()
    for waiter in waiters { waiter.resume() }
  }
}
