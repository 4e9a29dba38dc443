internal import CLibUV
internal import TelpherProcess
internal import TelpherSockets
public import TelpherTransport

/// `EventLoop` documents what is the same for all backends.
extension UVLoop {
  public var now: UInt64 { uv_hrtime() }

  /// Which processes `signalTree` reaches: what the launcher supports, or the process group if the
  /// loop has no launcher.
  public var killScope: KillScope { launcher?.killScope ?? .group }

  /// What the launcher can enforce; nothing if the loop has no launcher.
  public var enforceableLimits: Set<ResourceLimit.Kind> { launcher?.enforceableLimits ?? [] }

  public func load(of leaders: [Int32]) -> [Int32: TreeLoad] { TreeLoad.load(of: leaders) }

  /// Rounds up to a whole millisecond of libuv's clock, so the timer never fires early, and at most
  /// one millisecond late while the loop is not busy.
  public func schedule(
    after nanoseconds: UInt64, _ fire: @escaping () -> Void
  ) -> any LoopTimer {
    preconditionIsCurrent()
    return UVTimer(loop: self, after: nanoseconds, fire)
  }

  public func watch(
    signal: Int32, _ didReceive: @escaping () -> Void
  ) throws(TransportError) -> any SignalWatch {
    preconditionIsCurrent()
    return try UVSignalWatch(loop: self, signal: signal, didReceive)
  }

  public func bind(
    to address: SocketAddress, backlog: Int32
  ) throws(TransportError) -> any BoundSocket {
    preconditionIsCurrent()
    return try ListeningSocket(address: address, backlog: backlog)
  }

  public func serve(
    _ socket: any BoundSocket, didAccept: @escaping (any ByteStream) -> Void
  ) throws(TransportError) -> any Listener {
    preconditionIsCurrent()
    guard let socket = socket as? ListeningSocket else {
      preconditionFailure("a loop serves the sockets of its own backend")
    }
    return try UVListener(loop: self, socket: socket, didAccept)
  }

  public func connect(
    to address: SocketAddress,
    completion: @escaping (Result<any ByteStream, TransportError>) -> Void
  ) {
    preconditionIsCurrent()
    UVConnect(loop: self, address: address, completion).start()
  }

  /// Fails if another socket uses the port. SO_REUSEADDR is not set: on Linux it would let two UDP
  /// sockets share the port, and a UDP port is free as soon as its socket closes.
  public func openDatagramSocket(
    at address: DatagramAddress, didReceive: @escaping (Chunk, DatagramAddress) -> Void
  ) throws(TransportError) -> any DatagramSocket {
    preconditionIsCurrent()
    return try UVDatagramSocket(loop: self, address: address, didReceive)
  }

  public func adopt(
    reading input: Int32, writing output: Int32
  ) throws(TransportError) -> any ByteStream {
    preconditionIsCurrent()
    return try UVStream.adopting(reading: input, writing: output, on: self)
  }

  public func spawn(
    _ request: SpawnRequest,
    completion: @escaping (Result<any ChildProcess, SpawnError>) -> Void
  ) {
    preconditionIsCurrent()
    UVLaunch(loop: self, request: request, completion).start()
  }
}
