internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization
internal import TelpherSystem
public import TelpherTransport

/// An event loop on SwiftNIO: the one event loop of a group of its own, whose thread is the loop's.
///
/// It is the executor of its actors and tasks itself and not by NIO's `SerialExecutor`: NIO's runs a
/// job for an actor, but is no `TaskExecutor`, so that tasks would hop to the global pool and back.
/// Work comes to the thread through `LoopWork`, and is done in one NIO task, after the events of the
/// turn.
///
/// Make it, use it from its own thread (see `EventLoop`), and end it with `shutDown()`: it keeps
/// itself until then. Unlike others it can't refuse to start: where no thread is to be had, NIO ends
/// the process.
///
/// `@unchecked Sendable`: each field says what protects it. "The thread" below means whoever
/// `work.threadNumber` names: the loop's thread, or after its end the one that does the late jobs.
public final class NIOLoop: TelpherTransport.EventLoop, @unchecked Sendable {
  /// The group of one thread. Never changes, and is Sendable itself.
  let group: MultiThreadedEventLoopGroup
  /// NIO's loop. Never changes, and is Sendable itself.
  let eventLoop: any NIOCore.EventLoop
  /// Starts children. Never changes, and is Sendable itself.
  let launcher: SubprocessLauncher?

  /// What is to be done on the thread, and which that is. Never changes, and says itself what may be
  /// called where.
  let work = LoopWork()
  /// Whether NIO has a task that does the local work. Only the thread uses it.
  var isDrainScheduled = false
  /// That task. Set in `init`, before anybody else has the loop.
  private(set) var drainTask: @Sendable () -> Void = {}
  /// Whether the end has begun, and nothing new is started. Only the thread uses it.
  var isClosing = false
  /// What is open, by its identity. Only the thread uses it.
  private var handles: [ObjectIdentifier: any LoopHandle] = [:]
  /// Where all streams of this loop read into. Only the thread uses it.
  let reads = ReadMemory()
  /// What streams copy into what they write. Only the thread uses it.
  var writes = WriteMemory()

  /// A running loop. SIGPIPE is ignored in the whole process from the first loop on, since a write
  /// to a peer that is gone has to fail and not to end the process.
  ///
  /// - Parameter launcher: what starts this loop's children; without one, `spawn` fails.
  public init(launcher: SubprocessLauncher? = nil) {
    Self.ignoreBrokenPipes
    self.launcher = launcher
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    eventLoop = group.next()
    drainTask = { [unowned self] in drain() }
    _ = Unmanaged.passRetained(self)
    eventLoop.execute { [self] in
      work.takeOver()
    }
  }

  private static let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

  /// Whether the caller is on this loop's thread.
  public var isCurrent: Bool {
    work.threadNumber.load(ordering: .relaxed) == currentThreadNumber()
  }

  /// Traps on any other thread.
  func preconditionIsCurrent() {
    precondition(isCurrent, "the handles of a loop are used on its thread only")
  }

  // MARK: - Handles

  /// Keeps `handle` until `remove` or the loop's end, which closes it.
  func keep(_ handle: some LoopHandle) {
    handles[ObjectIdentifier(handle)] = handle
  }

  /// Lets go of a handle that is closed. Harmless when repeated.
  func remove(_ handle: some LoopHandle) {
    handles[ObjectIdentifier(handle)] = nil
  }

  /// Closes all of them.
  func closeHandles() {
    let handles = handles
    self.handles = [:]
    for handle in handles.values { handle.close() }
  }
}

/// What is open on a loop.
protocol LoopHandle: AnyObject {
  /// Closes it without calling anybody back. Harmless when closed.
  func close()
}

/// The calling thread, as `LoopWork.threadNumber` has it.
func currentThreadNumber() -> UInt {
  UInt(pthread_self())
}
