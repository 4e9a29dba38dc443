internal import Dispatch
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
    performWork()
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
}
