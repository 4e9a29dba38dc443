internal import CLibUV
internal import Glibc
internal import Synchronization
public import TelpherSystem
public import TelpherTransport

/// An event loop on libuv: a thread of its own, an executor, and the handles that live on it.
///
/// Make it, use it from its own thread (see `EventLoop`), and end it with `shutDown()`: its thread
/// holds on to it until then. Any number of loops may run in a process.
///
/// Work comes to the thread through `LoopWork`: a message from another thread wakes the loop by its
/// async handle; work is done in the check phase, right after the turn's I/O.
///
/// `@unchecked Sendable`: each field says what protects it. "The thread" below means whoever
/// `work.threadNumber` names: the loop's thread, or after its end the one that does the late jobs.
public final class UVLoop: EventLoop, @unchecked Sendable {
  /// Where children are launched. A launch holds its thread until the child has executed its
  /// program, for about a third of a millisecond.
  public enum LaunchSite: Sendable {
    /// On the loop's thread: the other streams of the loop wait meanwhile.
    case loopThread
    /// On libuv's worker threads: nobody waits, for two changes of thread.
    case workerThreads
    /// By libuv's uv_spawn, on the loop's thread. It forks, so it takes longer the more memory the
    /// process has. It knows no control groups: the launcher is to be one of scope `descendants`.
    case uvSpawn
  }

  /// The loop's memory. The pointer never changes; what it points to belongs to the thread.
  let raw: UnsafeMutablePointer<uv_loop_t>
  /// Wakes the loop. The pointer never changes; sent only under `inbox`'s lock, while running.
  let wakeUp: UnsafeMutablePointer<uv_async_t>
  /// Does the local work after each turn's I/O. Only the thread uses it.
  let check: UnsafeMutablePointer<uv_check_t>
  /// Does what waits for the end of a turn, before the next poll. Only the thread uses it.
  let prepare: UnsafeMutablePointer<uv_prepare_t>
  /// Active while local work is left, which keeps the loop from sleeping. Only the thread uses it.
  let idle: UnsafeMutablePointer<uv_idle_t>
  /// Starts children. Never changes, and is Sendable itself.
  let launcher: Launcher?
  /// Where children are launched. Never changes.
  let launchSite: LaunchSite

  /// What is to be done on the thread, and which that is. Never changes, and says itself what may be
  /// called where.
  let work = LoopWork()
  /// The thread, for joining it. Written in `init` before anybody else has the loop.
  var thread = uv_thread_t()

  /// What each stream may read in this turn. Only the thread uses it.
  var share = TurnShare()
  /// Whether `idle` is active. Only the thread uses it.
  var isIdling = false
  /// Whether the end has begun, and nothing new is started. Only the thread uses it.
  var isClosing = false
  /// Where all streams of this loop read into. Only the thread uses it.
  var readBuffer = ReadBuffer()
  /// Write requests that nobody uses at the moment. Only the thread uses it.
  var spareWrites: [WriteRequest] = []

  /// A running loop. SIGPIPE is ignored in the whole process from the first loop on, since a write
  /// to a peer that is gone has to fail and not to end the process.
  ///
  /// - Parameters:
  ///   - launcher: what starts this loop's children; without one, `spawn` fails.
  ///   - launchSite: the threads on which children are launched.
  /// - Throws: `TransportError` when the system is out of descriptors, memory or threads.
  public init(
    launcher: Launcher? = nil, launchSite: LaunchSite = .workerThreads
  ) throws(TransportError) {
    Self.ignoreBrokenPipes
    self.launcher = launcher
    self.launchSite = launchSite
    precondition(
      launchSite != .uvSpawn || launcher?.killScope != .cgroup,
      "uv_spawn starts nothing in a control group")
    if launchSite == .uvSpawn { Launcher.keepDescriptorsFromChildren() }
    raw = .allocate(capacity: 1)
    wakeUp = .allocate(capacity: 1)
    check = .allocate(capacity: 1)
    prepare = .allocate(capacity: 1)
    idle = .allocate(capacity: 1)
    let status = setUp()
    guard status == 0 else { throw UVStatus(status).error("start an event loop") }
  }

  deinit {
    idle.deallocate()
    prepare.deallocate()
    check.deallocate()
    wakeUp.deallocate()
    raw.deallocate()
  }

  private static let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

  private func setUp() -> Int32 {
    var status = uv_loop_init(raw)
    guard status == 0 else { return status }
    raw.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    // The loop's own handles have no owner: their callbacks find the loop by the loop's memory.
    status = uv_async_init(raw, wakeUp, loopWasWoken)
    if status == 0 {
      uv_check_init(raw, check)
      uv_check_start(check, loopPolled)
      uv_prepare_init(raw, prepare)
      uv_prepare_start(prepare, loopIsAboutToPoll)
      uv_idle_init(raw, idle)
      for handle in ownHandles {
        handle.pointee.data = nil
      }
      if launcher != nil && launchSite == .workerThreads { startWorkerThreads() }
      let retained = Unmanaged.passRetained(self)
      status = uv_thread_create(&thread, loopThreadMain, retained.toOpaque())
      if status == 0 { return 0 }
      retained.release()
      for handle in ownHandles {
        uv_close(handle, nil)
      }
    }
    uv_run(raw, UV_RUN_DEFAULT)
    uv_loop_close(raw)
    return status
  }

  /// libuv makes its worker threads with the first work for them, and ends the process where it gets
  /// none: better now than with the first command, under whatever limit is reached by then.
  private func startWorkerThreads() {
    let work = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)
    let status = uv_queue_work(raw, work, { _ in }, { work, _ in work?.deallocate() })
    precondition(status == 0, "uv_queue_work has no way to fail")
  }

  /// The handles that the loop works by itself.
  private var ownHandles: [UnsafeMutablePointer<uv_handle_t>] {
    [Handle.base(wakeUp), Handle.base(check), Handle.base(prepare), Handle.base(idle)]
  }

  /// The loop's thread, from its first to its last act.
  fileprivate func run() {
    work.takeOver()
    uv_run(raw, UV_RUN_DEFAULT)
    closeEverything()
  }

  /// Whether the caller is on this loop's thread.
  public var isCurrent: Bool {
    work.threadNumber.load(ordering: .relaxed) == currentThreadNumber()
  }

  /// Traps on any other thread: the loop's memory is not protected against them.
  func preconditionIsCurrent() {
    precondition(isCurrent, "the handles of a loop are used on its thread only")
  }
}

/// The calling thread, as `LoopWork.threadNumber` has it.
func currentThreadNumber() -> UInt {
  UInt(pthread_self())
}

private func loopThreadMain(_ loop: UnsafeMutableRawPointer?) {
  Unmanaged<UVLoop>.fromOpaque(loop!).takeRetainedValue().run()
}

/// The loop that `handle`, one of its own, belongs to.
private func loop<Kind>(of handle: UnsafeMutablePointer<Kind>?) -> UVLoop {
  let raw = Handle.base(handle!).pointee.loop!
  return Unmanaged<UVLoop>.fromOpaque(raw.pointee.data!).takeUnretainedValue()
}

private func loopWasWoken(_ handle: UnsafeMutablePointer<uv_async_t>?) {
  loop(of: handle).didWakeUp()
}

private func loopPolled(_ handle: UnsafeMutablePointer<uv_check_t>?) {
  loop(of: handle).doLocalWork()
}

private func loopIsAboutToPoll(_ handle: UnsafeMutablePointer<uv_prepare_t>?) {
  loop(of: handle).endTurn()
}
