/// A thread and all I/O on it: the interface between Telpher and the system.
///
/// A loop is an executor: an actor with it as `unownedExecutor`, and a task that prefers it, run on
/// its thread, so that no work moves between threads while a connection is served. Handles
/// (streams, listeners, timers, children) belong to the loop that created them: they are created
/// and used on its thread, and their callbacks come on it. Every method below except `execute` and
/// `shutDown` may be called only on the loop's thread; backends check this.
///
/// Backends: `UVLoop` in TelpherUV, `NIOLoop` in TelpherNIO, `MemoryLoop` in
/// TelpherTransportTesting. All pass the same conformance suite.
public protocol EventLoop: SerialExecutor, TaskExecutor {
  /// Whether the caller is on this loop's thread.
  var isCurrent: Bool { get }

  /// The time of a monotonic clock in nanoseconds. Any thread may read it.
  var now: UInt64 { get }

  /// How far `ChildProcess.signalTree(_:)` reaches for this loop's children.
  var killScope: KillScope { get }

  /// The limits that this loop can enforce for its children; it refuses to start a child with
  /// another one. The first use may take some milliseconds, to see what the system allows. Any
  /// thread may ask.
  var enforceableLimits: Set<ResourceLimit.Kind> { get }

  /// Measures what the processes of running children use, by a walk through /proc that takes some
  /// milliseconds. Any thread may call it.
  ///
  /// - Parameter leaders: the process ids of children that were not released.
  /// - Returns: the load of each child that was found, by its process id.
  func load(of leaders: [Int32]) -> [Int32: TreeLoad]

  /// Runs `body` on the loop's thread, soon and in the order of the calls. Any thread may call it.
  /// After `shutDown` the call is dropped.
  func execute(_ body: @escaping @Sendable () -> Void)

  /// Calls `task.turnDidEnd()` once, before the loop next waits for the system. Use it to write
  /// together what several callbacks of one turn have gathered. On the loop's thread only.
  func atEndOfTurn(_ task: any TurnEndTask)

  /// Calls `fire` once on the loop after `nanoseconds`, unless the timer is canceled first.
  /// Backends round the time up to their resolution, at most a millisecond.
  func schedule(after nanoseconds: UInt64, _ fire: @escaping () -> Void) -> any LoopTimer

  /// Calls `didReceive` each time this process receives `signal`, until the watch is canceled. If a
  /// signal has several watches, all are called.
  ///
  /// - Throws: `TransportError` if the signal can't be watched. SIGKILL, SIGSTOP and SIGPIPE can't;
  ///   SIGPIPE stays ignored.
  func watch(signal: Int32, _ didReceive: @escaping () -> Void) throws(TransportError)
    -> any SignalWatch

  /// Opens a listening socket that any number of this process's loops can then `serve`. The file of
  /// a Unix socket has mode 0600 from the start; one that a dead server left is replaced.
  ///
  /// - Throws: `TransportError` with the address and the reason (in use, no such folder, ...).
  func bind(to address: SocketAddress, backlog: Int32) throws(TransportError) -> any BoundSocket

  /// Accepts connections from `socket` on this loop and calls `didAccept` with each. Several loops
  /// may serve the socket at once; each connection goes to one of them.
  ///
  /// If the process has no free descriptors, the loop refuses new connections and continues: it
  /// does not busy-loop.
  ///
  /// - Throws: `TransportError` if the socket was closed or no descriptor is available.
  func serve(_ socket: any BoundSocket, didAccept: @escaping (any ByteStream) -> Void)
    throws(TransportError) -> any Listener

  /// Connects to `address` and calls `completion` once, with the stream or with a `TransportError`
  /// that names the address.
  func connect(
    to address: SocketAddress,
    completion: @escaping (Result<any ByteStream, TransportError>) -> Void)

  /// Opens a UDP socket at `address` and calls `didReceive` with each datagram and its sender's
  /// address. The system drops datagrams that are not received in time.
  ///
  /// - Throws: `TransportError` with the address and the reason (in use, not this machine's, ...).
  func openDatagramSocket(
    at address: DatagramAddress, didReceive: @escaping (Chunk, DatagramAddress) -> Void
  ) throws(TransportError) -> any DatagramSocket

  /// Creates a stream over open pipes, sockets or terminals, such as standard input and output. The
  /// stream owns both descriptors (which may be the same) and closes them.
  ///
  /// Other processes may share their O_NONBLOCK flag, so the flag is restored when the stream
  /// closes. Of descriptors 0 to 2 the stream uses a copy and replaces the original by /dev/null.
  /// So the peer sees the stream close, and stray output does not reach it.
  ///
  /// - Throws: `TransportError` if a descriptor is none of these. Both descriptors stay open then.
  func adopt(reading input: Int32, writing output: Int32) throws(TransportError) -> any ByteStream

  /// Starts a child process and calls `completion` once, with the child or with a `SpawnError`.
  func spawn(
    _ request: SpawnRequest,
    completion: @escaping (Result<any ChildProcess, SpawnError>) -> Void)

  /// Closes all remaining handles, without calling their callbacks, and ends the thread. A
  /// `connect` or `spawn` that is under way completes with an error. Returns when the thread has
  /// ended; a second call returns at once. Any thread except the loop's may call it.
  ///
  /// Jobs that are enqueued later still run, one at a time, on a thread that is started for them. So
  /// a task that outlives its loop finishes instead of hanging forever.
  func shutDown() async
}

extension EventLoop {
  /// Traps unless the caller is on the loop's thread.
  public func checkIsolated() {
    precondition(isCurrent, "called on another thread than the loop's")
  }

  /// Whether the caller is on the loop's thread. `assumeIsolated` asks this in callbacks.
  public func isIsolatingCurrentContext() -> Bool? { isCurrent }
}
