internal import Dispatch
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import TelpherTransport

extension NIOLoop {
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
    // NIO closes the remaining channels, cancels timers and joins its thread.
    group.shutdownGracefully(queue: .global()) { [self] _ in didEnd() }
  }

  /// Called on a Dispatch thread when NIO's thread has ended.
  private func didEnd() {
    let waiters = work.didEnd()
    serveLateJobs()
    // Releases the reference that `init` retained.
    Unmanaged.passUnretained(self).release()
    for waiter in waiters { waiter.resume() }
  }

  fileprivate func serveLateJobs() {
    work.serveLate(as: asUnownedSerialExecutor(), asUnownedTaskExecutor())
  }

  /// Starts a thread for jobs that arrive after the end. Running such a job on the sender's thread
  /// could deadlock if the sender holds a lock.
  func startLateThread() {
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { loop in
        Unmanaged<NIOLoop>.fromOpaque(loop!).takeRetainedValue().serveLateJobs()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    precondition(status == 0, "a thread for the remaining jobs can be started")
    pthread_detach(thread)
  }
}
