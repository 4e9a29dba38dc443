internal import NIOCore
internal import TelpherSystem
public import TelpherTransport

extension NIOLoop {
  /// Nanoseconds of the monotonic clock. From any thread.
  public var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

  /// How far the end of a child's tree reaches: what the launcher can do, or the process group.
  public var killScope: KillScope { launcher?.killScope ?? .group }

  /// Calls `fire` once after `nanoseconds`: never early.
  public func schedule(
    after nanoseconds: UInt64, _ fire: @escaping () -> Void
  ) -> any LoopTimer {
    preconditionIsCurrent()
    return NIOTimer(loop: self, after: nanoseconds, fire)
  }

  /// Calls `didReceive` on each `signal`, until the watch is canceled.
  ///
  /// - Throws: `TransportError` where the signal can't be watched: SIGKILL, SIGSTOP, and SIGPIPE,
  ///   which stays ignored.
  public func watch(
    signal: Int32, _ didReceive: @escaping () -> Void
  ) throws(TransportError) -> any SignalWatch {
    preconditionIsCurrent()
    return try NIOSignalWatch(loop: self, signal: signal, didReceive)
  }

  /// Opens a listening socket. A Unix socket's file has mode 0600 from the start; one that a dead
  /// server left behind is replaced.
  ///
  /// - Throws: `TransportError` with the address and the reason.
  public func bind(
    to address: TelpherTransport.SocketAddress, backlog: Int32
  ) throws(TransportError) -> any BoundSocket {
    preconditionIsCurrent()
    return try NIOBoundSocket(address: address, backlog: backlog)
  }

  /// Accepts connections from `socket`, which a `NIOLoop` has bound.
  ///
  /// - Throws: `TransportError` where the socket was closed, or descriptors are lacking.
  public func serve(
    _ socket: any BoundSocket, didAccept: @escaping (any ByteStream) -> Void
  ) throws(TransportError) -> any Listener {
    preconditionIsCurrent()
    guard let socket = socket as? NIOBoundSocket else {
      preconditionFailure("a loop serves the sockets of its own backend")
    }
    return try NIOListener(loop: self, socket: socket, didAccept)
  }

  /// Connects to `address` and calls `completion` once: with the stream, or with a `TransportError`
  /// that names the address.
  public func connect(
    to address: TelpherTransport.SocketAddress,
    completion: @escaping (Result<any ByteStream, TransportError>) -> Void
  ) {
    preconditionIsCurrent()
    NIOConnect(loop: self, address: address, completion).start()
  }

  /// Opens a UDP socket at `address`; each datagram that comes in is handed to `didReceive` with
  /// the address of its sender. What nobody takes in time the system drops.
  ///
  /// - Throws: `TransportError` with the address and the reason.
  public func openDatagramSocket(
    at address: DatagramAddress, didReceive: @escaping (Chunk, DatagramAddress) -> Void
  ) throws(TransportError) -> any DatagramSocket {
    preconditionIsCurrent()
    return try NIODatagramSocket(loop: self, address: address, didReceive)
  }

  /// A stream over open pipes, sockets or terminals. Their O_NONBLOCK flag, which other processes
  /// may share, is put back when the stream closes. Of descriptors 0 to 2 a copy is used, and
  /// /dev/null takes their place, so that the peer sees the close and no stray print.
  ///
  /// - Throws: `TransportError` where a descriptor is none of these; both stay open then.
  public func adopt(
    reading input: Int32, writing output: Int32
  ) throws(TransportError) -> any ByteStream {
    preconditionIsCurrent()
    return try NIOStream.adopting(reading: input, writing: output, on: self)
  }

  /// Starts a child process and calls `completion` once.
  public func spawn(
    _ request: SpawnRequest,
    completion: @escaping (Result<any ChildProcess, SpawnError>) -> Void
  ) {
    preconditionIsCurrent()
    NIOLaunch(loop: self, request: request, completion).start()
  }
}
