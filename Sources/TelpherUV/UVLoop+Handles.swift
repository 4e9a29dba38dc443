internal import CLibUV
internal import TelpherSystem
public import TelpherTransport

extension UVLoop {
  /// The monotonic clock in nanoseconds. May be read from any thread.
  public var now: UInt64 { uv_hrtime() }

  /// Which processes `signalTree` reaches: what the launcher supports, or the process group if the
  /// loop has no launcher.
  public var killScope: KillScope { launcher?.killScope ?? .group }

  /// Calls `fire` once after `nanoseconds`, rounded up to a whole millisecond of libuv's clock. It
  /// never fires early, and fires at most one millisecond late while the loop is not busy.
  public func schedule(
    after nanoseconds: UInt64, _ fire: @escaping () -> Void
  ) -> any LoopTimer {
    preconditionIsCurrent()
    return UVTimer(loop: self, after: nanoseconds, fire)
  }

  /// Calls `didReceive` each time this process receives `signal`, until the watch is canceled.
  ///
  /// - Throws: `TransportError` if the signal can't be watched. SIGKILL, SIGSTOP and SIGPIPE can't;
  ///   SIGPIPE stays ignored.
  public func watch(
    signal: Int32, _ didReceive: @escaping () -> Void
  ) throws(TransportError) -> any SignalWatch {
    preconditionIsCurrent()
    return try UVSignalWatch(loop: self, signal: signal, didReceive)
  }

  /// Opens a listening socket. The file of a Unix socket has mode 0600 from the start. A socket
  /// file that a dead server left is replaced.
  ///
  /// - Throws: `TransportError` with the address and the reason.
  public func bind(
    to address: SocketAddress, backlog: Int32
  ) throws(TransportError) -> any BoundSocket {
    preconditionIsCurrent()
    return try ListeningSocket(address: address, backlog: backlog)
  }

  /// Accepts connections from `socket`, which a `UVLoop` has bound, and hands each to `didAccept`.
  ///
  /// - Throws: `TransportError` if the socket was closed or no descriptor is available.
  public func serve(
    _ socket: any BoundSocket, didAccept: @escaping (any ByteStream) -> Void
  ) throws(TransportError) -> any Listener {
    preconditionIsCurrent()
    guard let socket = socket as? ListeningSocket else {
      preconditionFailure("a loop serves the sockets of its own backend")
    }
    return try UVListener(loop: self, socket: socket, didAccept)
  }

  /// Connects to `address` and calls `completion` once, with the stream or with a `TransportError`
  /// that names the address.
  public func connect(
    to address: SocketAddress,
    completion: @escaping (Result<any ByteStream, TransportError>) -> Void
  ) {
    preconditionIsCurrent()
    UVConnect(loop: self, address: address, completion).start()
  }

  /// Opens a UDP socket at `address` and hands each datagram and the address of its sender to
  /// `didReceive`.
  ///
  /// Fails if another socket uses the port. SO_REUSEADDR is not set: on Linux it would let two UDP
  /// sockets share the port, and a UDP port is free as soon as its socket closes.
  ///
  /// - Throws: `TransportError` with the address and the reason.
  public func openDatagramSocket(
    at address: DatagramAddress, didReceive: @escaping (Chunk, DatagramAddress) -> Void
  ) throws(TransportError) -> any DatagramSocket {
    preconditionIsCurrent()
    return try UVDatagramSocket(loop: self, address: address, didReceive)
  }

  /// Makes a stream over open pipes, sockets or terminals.
  ///
  /// Other processes may share their O_NONBLOCK flag, so the flag is restored when the stream
  /// closes. Of descriptors 0 to 2 the stream uses a copy and replaces the original by /dev/null.
  /// So the peer sees the stream close, and stray output does not reach it.
  ///
  /// - Throws: `TransportError` if a descriptor is none of these. Both descriptors stay open then.
  public func adopt(
    reading input: Int32, writing output: Int32
  ) throws(TransportError) -> any ByteStream {
    preconditionIsCurrent()
    return try UVStream.adopting(reading: input, writing: output, on: self)
  }

  /// Starts a child process and calls `completion` once, with the child or with a `SpawnError`.
  public func spawn(
    _ request: SpawnRequest,
    completion: @escaping (Result<any ChildProcess, SpawnError>) -> Void
  ) {
    preconditionIsCurrent()
    UVLaunch(loop: self, request: request, completion).start()
  }
}
