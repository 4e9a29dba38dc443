internal import NIOCore
internal import TelpherProcess
public import TelpherTransport

/// `EventLoop` documents what is the same for all backends.
extension NIOLoop {
  public var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

  /// Which processes `signalTree` reaches: what the launcher supports, or the process group if the
  /// loop has no launcher.
  public var killScope: KillScope { launcher?.killScope ?? .group }

  /// What the launcher can enforce; nothing if the loop has no launcher.
  public var enforceableLimits: Set<ResourceLimit.Kind> { launcher?.enforceableLimits ?? [] }

  public func load(of leaders: [Int32]) -> [Int32: TreeLoad] { TreeLoad.load(of: leaders) }

  public func schedule(
    after nanoseconds: UInt64, _ fire: @escaping () -> Void
  ) -> any LoopTimer {
    preconditionIsCurrent()
    return NIOTimer(loop: self, after: nanoseconds, fire)
  }

  public func watch(
    signal: Int32, _ didReceive: @escaping () -> Void
  ) throws(TransportError) -> any SignalWatch {
    preconditionIsCurrent()
    return try NIOSignalWatch(loop: self, signal: signal, didReceive)
  }

  public func bind(
    to address: TelpherTransport.SocketAddress, backlog: Int32
  ) throws(TransportError) -> any BoundSocket {
    preconditionIsCurrent()
    return try NIOBoundSocket(address: address, backlog: backlog)
  }

  public func serve(
    _ socket: any BoundSocket, didAccept: @escaping (any ByteStream) -> Void
  ) throws(TransportError) -> any Listener {
    preconditionIsCurrent()
    guard let socket = socket as? NIOBoundSocket else {
      preconditionFailure("a loop serves the sockets of its own backend")
    }
    return try NIOListener(loop: self, socket: socket, didAccept)
  }

  public func connect(
    to address: TelpherTransport.SocketAddress,
    completion: @escaping (Result<any ByteStream, TransportError>) -> Void
  ) {
    preconditionIsCurrent()
    NIOConnect(loop: self, address: address, completion).start()
  }

  public func openDatagramSocket(
    at address: DatagramAddress, didReceive: @escaping (Chunk, DatagramAddress) -> Void
  ) throws(TransportError) -> any DatagramSocket {
    preconditionIsCurrent()
    return try NIODatagramSocket(loop: self, address: address, didReceive)
  }

  public func adopt(
    reading input: Int32, writing output: Int32
  ) throws(TransportError) -> any ByteStream {
    preconditionIsCurrent()
    return try NIOStream.adopting(reading: input, writing: output, on: self)
  }

  public func spawn(
    _ request: SpawnRequest,
    completion: @escaping (Result<any ChildProcess, SpawnError>) -> Void
  ) {
    preconditionIsCurrent()
    NIOLaunch(loop: self, request: request, completion).start()
  }
}
