internal import CLibUV
internal import Glibc
public import TelpherProcess
public import TelpherTransport

/// An event loop on libuv. It has a thread of its own, is an executor, and owns its handles.
///
/// Create it, use it from its own thread (see `EventLoop`), and end it with `shutDown()`. Until
/// then its thread keeps it alive. A process may have any number of loops.
///
/// Work reaches the thread through `LoopWork`. A message from another thread wakes the loop with an
/// async handle. The loop does its work in the check phase, right after the I/O of the turn.
///
/// `@unchecked Sendable`: the comment of each field says what protects it. "The thread" below is
/// the thread that `work.isCurrent` names: the loop's thread, or after its end the thread that
/// runs the late jobs.
public final class UVLoop: EventLoop, @unchecked Sendable {
  /// Selects what launches children. A launch blocks its thread until the child has executed its
  /// program, for about a third of a millisecond.
  public enum LaunchMethod: Sendable {
    /// The launcher, on libuv's worker threads, so that the loop does not wait.
    case workerThreads
    /// libuv's uv_spawn, on the loop's thread. It forks, so it takes longer the more memory this
    /// process uses. It does not support control groups, so the launcher must have the scope
    /// `descendants`.
    case uvSpawn
  }

  /// libuv's loop. The pointer never changes. Only the thread uses the memory.
  let raw: UnsafeMutablePointer<uv_loop_t>
  /// Wakes the loop. The pointer never changes. Signaled only under the lock of `work`, while the
  /// loop runs.
  let alarm: UnsafeMutablePointer<uv_async_t>
  /// Does the local work after the I/O of each turn. Only the thread uses it.
  let check: UnsafeMutablePointer<uv_check_t>
  /// Runs the tasks of `atEndOfTurn` before the next poll. Only the thread uses it.
  let prepare: UnsafeMutablePointer<uv_prepare_t>
  /// Active while there is local work, so that the loop does not sleep. Only the thread uses it.
  let idle: UnsafeMutablePointer<uv_idle_t>
  /// Starts children. Never changes; it is Sendable itself.
  let launcher: Launcher?
  /// What launches children. Never changes.
  let launchMethod: LaunchMethod

  /// The work to do on the thread, and which thread that is. Never changes. Its methods say from
  /// which thread they may be called.
  package let work = LoopWork()
  /// The thread, to join it. Written in `init` before any other thread can use the loop.
  var thread = uv_thread_t()

  /// Limits what each stream reads in this turn. Only the thread uses it.
  var share = TurnShare()
  /// Whether `idle` is active. Only the thread uses it.
  var isIdling = false
  /// Whether the shutdown has begun, so that no new handle is opened. Only the thread uses it.
  package internal(set) var isClosing = false
  /// The memory that all streams of this loop read into. Only the thread uses it.
  var readBuffer = ReadBuffer()
  /// Unused write requests, kept for the next write. Only the thread uses it.
  var spareWrites: [WriteRequest] = []

  /// Starts a loop. The first loop makes the whole process ignore SIGPIPE, so that a write to a
  /// closed connection fails instead of ending the process.
  ///
  /// - Parameters:
  ///   - launcher: Starts this loop's children. Without a launcher, `spawn` fails.
  ///   - launchMethod: What launches children.
  /// - Throws: `TransportError` if the system has no descriptors, memory or threads left.
  public init(
    launcher: Launcher? = nil, launchMethod: LaunchMethod = .workerThreads
  ) throws(TransportError) {
    Self.ignoreBrokenPipes
    self.launcher = launcher
    self.launchMethod = launchMethod
    precondition(
      launchMethod != .uvSpawn || launcher?.killScope != .cgroup,
      "uv_spawn starts nothing in a control group")
    if launchMethod == .uvSpawn { Launcher.keepDescriptorsFromChildren() }
    raw = .allocate(capacity: 1)
    alarm = .allocate(capacity: 1)
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
    alarm.deallocate()
    raw.deallocate()
  }

  private static let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

  /// Returns UV_EMFILE or UV_ENFILE if the four descriptors of a loop can't be opened. libuv makes a
  /// pipe with its first loop, and calls abort(3) if that fails.
  private static func checkDescriptors() -> Int32 {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    var ends: [Int32] = [-1, -1, -1, -1]
    defer { ends.filter { $0 >= 0 }.forEach { close($0) } }
    let isDone = ends.withUnsafeMutableBufferPointer {
      socketpair(AF_UNIX, type, 0, $0.baseAddress) == 0
        && socketpair(AF_UNIX, type, 0, $0.baseAddress! + 2) == 0
    }
    return isDone ? 0 : -errno
  }

  private func setUp() -> Int32 {
    var status = Self.checkDescriptors()
    guard status == 0 else { return status }
    status = uv_loop_init(raw)
    guard status == 0 else { return status }
    raw.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    // The loop's own handles have no owner. Their callbacks find the `UVLoop` through libuv's loop.
    status = uv_async_init(raw, alarm, loopWasWoken)
    if status == 0 {
      uv_check_init(raw, check)
      uv_check_start(check, loopPolled)
      uv_prepare_init(raw, prepare)
      uv_prepare_start(prepare, loopIsAboutToPoll)
      uv_idle_init(raw, idle)
      for handle in ownHandles {
        handle.pointee.data = nil
      }
      if launcher != nil && launchMethod == .workerThreads { startWorkerThreads() }
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

  /// Starts libuv's worker threads now. libuv starts them with the first work for them and aborts
  /// the process if that fails. So this happens here and not at the first command, when some limit
  /// may be reached.
  private func startWorkerThreads() {
    let work = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)
    let status = uv_queue_work(raw, work, { _ in }, { work, _ in work?.deallocate() })
    precondition(status == 0, "uv_queue_work has no way to fail")
  }

  /// The handles that belong to the loop itself.
  private var ownHandles: [UnsafeMutablePointer<uv_handle_t>] {
    [Handle.base(alarm), Handle.base(check), Handle.base(prepare), Handle.base(idle)]
  }

  /// The main function of the loop's thread.
  fileprivate func run() {
    work.takeOver()
    uv_run(raw, UV_RUN_DEFAULT)
    closeEverything()
  }
}

private func loopThreadMain(_ loop: UnsafeMutableRawPointer?) {
  Unmanaged<UVLoop>.fromOpaque(loop!).takeRetainedValue().run()
}

/// The `UVLoop` of one of the loop's own handles.
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
