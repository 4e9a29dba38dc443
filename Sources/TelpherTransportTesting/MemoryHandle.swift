/// An open handle of a loop. The loop wakes it when it may have work.
protocol MemoryHandle: AnyObject {
  /// Called when there may be work: bytes, free space, a connection or a signal. It may also be
  /// called without work.
  func didWake()
  /// Called when the loop ends: close and release every closure without calling it.
  func shutDown()
}

/// Wakes a handle from any thread.
struct MemoryWaker: Sendable {
  let loop: MemoryLoop
  let handle: Int

  func callAsFunction() { loop.wake(handle) }
}
