/// One thread, and all the I/O that is done on it: the seam between Telpher and the system.
///
/// A loop is an executor: an actor whose `unownedExecutor` it is, and a task that prefers it, run on
/// its thread, so that nothing hops between threads while a connection works. Handles (streams,
/// listeners, timers, children) belong to the loop that made them: they are made and used on its
/// thread, and their callbacks come there. Every method below but `execute` and `shutDown` may be
/// called on the loop's thread only, which backends check.
///
/// Backends: `UVLoop` in TelpherUV, `NIOLoop` in TelpherNIO, `MemoryLoop` in TelpherTransportTesting.
/// All pass one conformance suite.
public protocol EventLoop: SerialExecutor, TaskExecutor {
  /// Whether the caller is on this loop's thread.
  var isCurrent: Bool { get }

  /// Nanoseconds of a monotonic clock. From any thread.
  var now: UInt64 { get }

  /// How this loop's children are found when a whole tree of processes is to be ended.
  var killScope: KillScope { get }

  /// Runs `body` on the loop's thread, soon and in the order of the calls. From any thread. After
  /// `shutDown` it is dropped.
  func execute(_ body: @escaping @Sendable () -> Void)

  /// Calls `task.turnDidEnd()` once, before the loop waits for the system next: the place to write
  /// what several callbacks of one turn have gathered. On the loop's thread only.
  func atEndOfTurn(_ task: any TurnEndTask)

  /// Calls `fire` once on the loop after `nanoseconds` (rounded up to the backend's resolution, a
  /// millisecond at most), unless the timer is canceled first.
  func schedule(after nanoseconds: UInt64, _ fire: @escaping () -> Void) -> any LoopTimer

  /// Calls `didReceive` each time this process gets `signal`, until the watch is canceled. Several
  /// watches of one signal are all called.
  ///
  /// - Throws: `TransportError` where the signal can't be watched.
  func watch(signal: Int32, _ didReceive: @escaping () -> Void) throws(TransportError)
    -> any SignalWatch

  /// Opens a listening socket that any number of loops of this process can then `serve`.
  ///
  /// - Throws: `TransportError` with the address and the reason (in use, no such folder, ...).
  func bind(to address: SocketAddress, backlog: Int32) throws(TransportError) -> any BoundSocket

  /// Accepts connections from `socket` on this loop, calling `didAccept` with each. The socket may
  /// be served by several loops at once; each connection comes to one of them.
  ///
  /// Out of descriptors, the loop refuses what it can't take and goes on: it never spins.
  func serve(_ socket: any BoundSocket, didAccept: @escaping (any ByteStream) -> Void)
    throws(TransportError) -> any Listener

  /// Connects to `address` and calls `completion` once.
  func connect(
    to address: SocketAddress,
    completion: @escaping (Result<any ByteStream, TransportError>) -> Void)

  /// Opens a UDP socket at `address`; each datagram that comes in is handed to `didReceive` with
  /// the address of its sender. What nobody takes in time the system drops.
  ///
  /// - Throws: `TransportError` with the address and the reason (in use, not this machine's, ...).
  func openDatagramSocket(
    at address: DatagramAddress, didReceive: @escaping (Chunk, DatagramAddress) -> Void
  ) throws(TransportError) -> any DatagramSocket

  /// A stream over descriptors that are open already, standard input and output for one. It owns
  /// both (which may be the same) and closes them.
  func adopt(reading input: Int32, writing output: Int32) throws(TransportError) -> any ByteStream

  /// Starts a child process and calls `completion` once.
  func spawn(
    _ request: SpawnRequest,
    completion: @escaping (Result<any ChildProcess, SpawnError>) -> Void)

  /// Closes every handle that is left, without calling its callbacks, and ends the thread. From any
  /// thread but the loop's; returns when the thread has ended. A second call returns at once.
  func shutDown() async
}
