internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import TelpherSockets
internal import TelpherTransport

extension NIOStream {
  /// Sets the options of a connected socket and identifies the peer.
  func didConnect(_ kind: SocketKind) {
    guard let socketDescriptor = channel.socketDescriptor else { return }
    if kind == .unix { UnixSocketBuffer.enlarge(socketDescriptor) }
    peer = PeerIdentity(of: kind, socketDescriptor)
  }

  var tcpPorts: TCPPorts? {
    loop.preconditionIsCurrent()
    return channel.socketDescriptor.flatMap { TCPPorts(ofSocket: $0) }
  }

  func setResetsOnClose(_ resets: Bool) {
    loop.preconditionIsCurrent()
    guard let socketDescriptor = channel.socketDescriptor else { return }
    SocketReset.set(resets, onCloseOf: socketDescriptor)
  }

  /// A stream over one end of a pipe, or over one direction of a socket or terminal. The stream
  /// owns the descriptor.
  static func pipe(
    _ carrier: Carrier, on loop: NIOLoop, _ what: String
  ) throws(TransportError) -> NIOStream {
    let stream = NIOStream(loop: loop, carrier: carrier, peer: .inherited)
    let bootstrap = NIOPipeBootstrap(group: loop.eventLoop)
      .channelInitializer(stream.initializer())
    switch carrier {
    case .socket: preconditionFailure("a socket is no pipe")
    case .input(let descriptor):
      try stream.open(bootstrap.takingOwnershipOfDescriptor(input: descriptor), what)
    case .output(let descriptor):
      try stream.open(bootstrap.takingOwnershipOfDescriptor(output: descriptor), what)
    }
    return stream
  }

  /// A stream over a connected socket. The stream owns the descriptor.
  static func socket(
    _ descriptor: Int32, on loop: NIOLoop, _ what: String
  ) throws(TransportError) -> NIOStream {
    let stream = NIOStream(loop: loop, carrier: .socket, peer: .inherited)
    try stream.open(
      ClientBootstrap(group: loop.eventLoop).channelInitializer(stream.initializer())
        .withConnectedSocket(descriptor), what)
    return stream
  }

  /// Returns the function that a bootstrap calls to initialize its channel.
  func initializer() -> @Sendable (any Channel) -> EventLoopFuture<Void> {
    let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
    return { channel in
      channel.eventLoop.makeCompletedFuture { try bound.value.install(in: channel) }
    }
  }

  /// Takes the result of opening a channel over a descriptor. NIO does that at once if called on
  /// its own thread.
  private func open(
    _ future: EventLoopFuture<any Channel>, _ what: String
  ) throws(TransportError) {
    var result: Result<any Channel, any Error>?
    future.assumeIsolated().whenComplete { result = $0 }
    guard case .failure(let error)? = result else { return }
    close()
    throw TransportError(what, error)
  }

  /// See `NIOLoop.adopt`.
  static func adopting(
    reading input: Int32, writing output: Int32, on loop: NIOLoop
  ) throws(TransportError) -> any ByteStream {
    let what = "adopt descriptors \(input) and \(output)"
    guard !loop.isClosing else { throw .loopEnded(what) }
    for descriptor in [input, output] {
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { throw TransportError(what, errno: errno) }
      let isTerminal = isatty(descriptor) == 1
      guard [S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT) || isTerminal else {
        throw TransportError(.system, "\(what): not a pipe, a socket or a terminal", errno: EINVAL)
      }
    }
    // Both are taken over before NIO sets O_NONBLOCK on either: they may share one file
    // description.
    let reading = AdoptedDescriptor(takingOver: input)
    guard input != output else {
      let stream = try socket(reading.descriptor, on: loop, what)
      stream.channel.adopted = reading
      return stream
    }
    let writing = AdoptedDescriptor(takingOver: output)
    // Each descriptor gets its own channel. With one channel for both, NIO does not report that the
    // output has no reader.
    let inputStream = try pipe(.input(reading.descriptor), on: loop, what)
    inputStream.channel.adopted = reading
    do throws(TransportError) {
      let outputStream = try pipe(.output(writing.descriptor), on: loop, what)
      outputStream.channel.adopted = writing
      return JoinedStream(reading: inputStream, writing: outputStream)
    } catch {
      inputStream.close()
      throw error
    }
  }
}
