internal import Dispatch
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import TelpherSystem

extension NIOLoop {
  /// Closes every handle that is left, without calling its callbacks, and ends the thread. A
  /// `connect` or `spawn` under way is completed with an error. From any thread but the loop's;
  /// returns when the thread has ended. A second call returns at once.
  public func shutDown() async {
    precondition(!isCurrent, "a loop can't wait for its own end")
    _ = await work.end { eventLoop.execute { [self] in closeEverything() } }
  }

  private func closeEverything() {
    takeMessages()
    doLocalWork()
    isClosing = true
    work.dropTurnEndTasks()
    closeHandles()
    // NIO closes the channels that are left, cancels timers and joins its thread.
    group.shutdownGracefully(queue: .global()) { [self] _ in didEnd() }
  }

  /// NIO's thread has ended. On one of Dispatch's.
  private func didEnd() {
    let waiters = work.didEnd()
    serveLateJobs()
    // What `init` took.
    Unmanaged.passUnretained(self).release()
    for waiter in waiters { waiter.resume() }
  }

  fileprivate func serveLateJobs() {
    work.serveLate(as: asUnownedSerialExecutor(), asUnownedTaskExecutor())
  }

  /// Starts a thread for jobs that came after the end. Running them in the call that sent them could
  /// deadlock, with whatever lock that caller holds.
  func startLateThread() {
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { loop in
        Unmanaged<NIOLoop>.fromOpaque(loop!).takeRetainedValue().serveLateJobs()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    precondition(status == 0, "a thread can be had for the last jobs")
    pthread_detach(thread)
  }
}
