internal import Glibc
internal import NIOCore
internal import NIOPosix
public import TelpherTransport

/// An event loop on SwiftNIO: the only event loop of its own NIO group, whose one thread is the
/// loop's thread.
///
/// It is the executor of its actors and tasks itself, instead of NIO's `SerialExecutor`. NIO's
/// executor runs the jobs of actors but is no `TaskExecutor`, so tasks would switch to the global
/// pool and back. Work reaches the thread through `LoopWork` and runs in one NIO task, after the
/// events of the turn.
///
/// Create it, use it from its own thread (see `EventLoop`), and end it with `shutDown()`. Until
/// then it keeps itself alive. Starting it can't fail with an error: if no thread is available, NIO
/// ends the process.
///
/// `@unchecked Sendable`: the comment of each field says what protects it. "The thread" below is
/// the thread that `work.isCurrent` names: the loop's thread, or after its end the thread that
/// runs the late jobs.
public final class NIOLoop: TelpherTransport.EventLoop, @unchecked Sendable {
  /// The NIO group, which has one thread. Never changes; it is Sendable itself.
  let group: MultiThreadedEventLoopGroup
  /// NIO's event loop. Never changes; it is Sendable itself.
  let eventLoop: any NIOCore.EventLoop
  /// Starts children. Never changes; it is Sendable itself.
  let launcher: SubprocessLauncher?

  /// The work to do on the thread, and which thread that is. Never changes. Its methods say from
  /// which thread they may be called.
  package let work = LoopWork()
  /// Whether `drainTask` is scheduled with NIO. Only the thread uses it.
  var isDrainScheduled = false
  /// The task that does the local work. Set in `init` before any other thread can use the loop.
  private(set) var drainTask: @Sendable () -> Void = {}
  /// Whether the shutdown has begun, so that no new handle is opened. Only the thread uses it.
  package internal(set) var isClosing = false
  /// The open handles, by their identity. Only the thread uses it.
  private var handles: [ObjectIdentifier: any LoopHandle] = [:]
  /// The memory that all streams of this loop read into. Only the thread uses it.
  let reads = ReadMemory()
  /// The buffers that streams copy their writes into. Only the thread uses it.
  var writes = WriteMemory()

  /// Starts a loop. The first loop makes the whole process ignore SIGPIPE, so that a write to a
  /// closed connection fails instead of ending the process.
  ///
  /// - Parameter launcher: Starts this loop's children. Without a launcher, `spawn` fails.
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

  // MARK: - Handles

  /// Keeps `handle` alive until `remove`, or until the loop ends, which closes it.
  func keep(_ handle: some LoopHandle) {
    handles[ObjectIdentifier(handle)] = handle
  }

  /// Releases a closed handle. Does nothing if called again.
  func remove(_ handle: some LoopHandle) {
    handles[ObjectIdentifier(handle)] = nil
  }

  /// Closes all open handles.
  func closeHandles() {
    let handles = handles
    self.handles = [:]
    for handle in handles.values { handle.close() }
  }
}

/// A handle that is open on a loop.
protocol LoopHandle: AnyObject {
  /// Closes the handle without calling any callback. Does nothing if it is closed.
  func close()
}
