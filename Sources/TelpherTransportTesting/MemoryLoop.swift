internal import Glibc
package import TelpherTransport

/// An event loop in memory: streams are pipes in memory, children are closures. It serves tests of
/// code that uses an `EventLoop`, without sockets or processes.
///
/// Loops that share a `MemoryNetwork` can connect to each other. Tests can simulate network faults
/// there: see `MemoryNetwork` and `MemoryStream.cut`.
///
/// Work reaches the thread through `LoopWork`, as on the other backends.
///
/// `@unchecked Sendable`: the comment of each field says what protects it.
package final class MemoryLoop: EventLoop, @unchecked Sendable {
  /// The listeners and programs that this loop shares with others. Never changes; it is Sendable.
  package let network: MemoryNetwork

  /// The work to do on the thread, and which thread that is. Never changes. Its methods say from
  /// which thread they may be called.
  package let work = LoopWork()
  /// Whether the thread is to take messages instead of waiting. Has its own lock.
  let alarm = Monitor(false)
  /// The thread, to join it. Only `init` and the first `shutDown` use it.
  private(set) var thread = pthread_t()

  /// Open streams, listeners, watches and processes, by the number that identifies them for waking.
  /// Only the thread uses it.
  private var handles: [Int: any MemoryHandle] = [:]
  /// The number of the newest handle. Only the thread uses it.
  private var lastHandle = 0
  /// Handles to wake in the next turn. Only the thread uses it.
  private var ready: [Int] = []
  /// The elements of `ready`. Only the thread uses it.
  private var isReady: Set<Int> = []
  /// Only the thread uses it.
  private var timers = MemoryTimerQueue()
  /// Whether the shutdown has begun, so that no new handle is opened. Only the thread uses it.
  package private(set) var isClosing = false
  /// The memory that all streams of this loop read into. Only the thread uses it.
  var readBuffer = ReadBuffer()

  /// A loop with its own thread, which runs until `shutDown`.
  package init(network: MemoryNetwork = MemoryNetwork()) {
    self.network = network
    let error = startJoinableThread(&thread) { [self] in run() }
    precondition(error == 0, "no thread for a loop: errno \(error)")
  }

  /// Nanoseconds of CLOCK_MONOTONIC.
  package var now: UInt64 { monotonicNow() }

  // MARK: Handles

  /// Retains `handle` until `remove` and returns the number that wakes it.
  func add(_ handle: any MemoryHandle) -> Int {
    checkIsolated()
    lastHandle += 1
    handles[lastHandle] = handle
    return lastHandle
  }

  /// Releases a handle.
  func remove(_ handle: Int) {
    handles[handle] = nil
  }

  /// Wakes the handle in the next turn. On the loop's thread only.
  func wakeSoon(_ handle: Int) {
    if isReady.insert(handle).inserted { ready.append(handle) }
  }

  /// Wakes the handle now if it is still open. On the loop's thread only.
  func didWake(_ handle: Int) {
    handles[handle]?.didWake()
  }

  /// Closes every handle and drops all timers, without calling any callback.
  func closeHandles() {
    isClosing = true
    for handle in handles.values { handle.shutDown() }
    handles = [:]
    timers.removeAll()
  }

  // MARK: Timers

  /// Calls `fire` once, after `nanoseconds`, unless the timer is canceled first.
  package func schedule(after nanoseconds: UInt64, _ fire: @escaping () -> Void) -> any LoopTimer {
    checkIsolated()
    let (sum, overflow) = now.addingReportingOverflow(nanoseconds)
    return timers.add(deadline: overflow ? .max : sum, on: self, isClosing ? {} : fire)
  }

  /// Removes a canceled timer from the queue.
  func remove(_ timer: MemoryTimer) {
    checkIsolated()
    timers.remove(timer)
  }

  // MARK: Turns

  /// When the next turn begins if nothing wakes the loop before: 0 for at once, nil for never.
  var nextTurn: UInt64? {
    ready.isEmpty && work.isEmpty ? timers.deadline : 0
  }

  /// Fires the timers that are due and wakes the handles that are ready.
  func performEvents() {
    let start = now
    while let timer = timers.removeFirst(dueAt: start) { timer.fire() }
    let woken = ready
    ready = []
    isReady = []
    for handle in woken { didWake(handle) }
  }
}
