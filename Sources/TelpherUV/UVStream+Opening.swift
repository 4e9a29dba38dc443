internal import CLibUV
internal import Glibc
internal import TelpherSockets
internal import TelpherTransport

extension UVStream {
  /// Creates a handle without a socket, for a connection that is to be accepted or made. libuv's
  /// pipe handles take any stream socket.
  static func makeSocket(_ kind: SocketKind, on loop: UVLoop) -> UnsafeMutablePointer<uv_stream_t> {
    switch kind == .tcp ? makeTCP(on: loop) : makePipe(on: loop) {
    case .success(let handle): handle
    case .failure: preconditionFailure("a handle without a socket has no way to fail")
    }
  }

  /// Sets the options of a connected socket and identifies the peer.
  func didConnect(_ kind: SocketKind) {
    guard let output else { return }
    let descriptor = Handle.descriptor(of: output)
    switch kind {
    case .unix: UnixSocketBuffer.enlarge(descriptor)
    case .tcp:
      UnsafeMutableRawPointer(output).withMemoryRebound(to: uv_tcp_t.self, capacity: 1) {
        _ = uv_tcp_nodelay($0, 1)
      }
    case .vsock: break
    }
    peer = PeerIdentity(of: kind, descriptor)
  }

  var tcpPorts: TCPPorts? {
    loop.preconditionIsCurrent()
    guard isDuplex, let output else { return nil }
    return TCPPorts(ofSocket: Handle.descriptor(of: output))
  }

  func setResetsOnClose(_ resets: Bool) {
    loop.preconditionIsCurrent()
    guard isDuplex, let output else { return }
    SocketReset.set(resets, onCloseOf: Handle.descriptor(of: output))
  }

  /// A stream over one end of a pipe to a child. The stream owns the descriptor.
  static func childPipe(_ descriptor: Int32, on loop: UVLoop, reads: Bool) -> UVStream {
    let handle = makeSocket(.unix, on: loop)
    let status = openPipe(handle, descriptor)
    precondition(status == 0, "a pipe that was just made can be opened")
    return UVStream(
      loop: loop, handles: .separate(input: reads ? handle : nil, output: reads ? nil : handle),
      peer: .inherited, growsPipe: reads)
  }

  /// See `UVLoop.adopt`.
  static func adopting(
    reading input: Int32, writing output: Int32, on loop: UVLoop
  ) throws(TransportError) -> UVStream {
    let what = "adopt descriptors \(input) and \(output)"
    guard !loop.isClosing else { throw .loopEnded(what) }
    let kinds = (uv_guess_handle(input), uv_guess_handle(output))
    for kind in [kinds.0, kinds.1] {
      guard [UV_TCP, UV_NAMED_PIPE, UV_TTY].contains(kind) else {
        throw TransportError(.system, "\(what): not a pipe, a socket or a terminal", errno: EINVAL)
      }
    }
    // Both are taken over before libuv sets O_NONBLOCK on either: they may share one file
    // description.
    let ownInput = AdoptedDescriptor(takingOver: input)
    let ownOutput = input == output ? ownInput : AdoptedDescriptor(takingOver: output)
    let handles: Handles
    do {
      handles = try open((ownInput.descriptor, kinds.0), (ownOutput.descriptor, kinds.1), on: loop)
    } catch {
      throw error.error(what)
    }
    let stream = UVStream(loop: loop, handles: handles, peer: .inherited)
    stream.adopted = input == output ? [ownInput] : [ownInput, ownOutput]
    return stream
  }

  private static func open(
    _ input: (Int32, uv_handle_type), _ output: (Int32, uv_handle_type), on loop: UVLoop
  ) throws(UVStatus) -> Handles {
    if input.0 == output.0 { return .duplex(try open(input.0, as: input.1, on: loop)) }
    let reading = try open(input.0, as: input.1, on: loop)
    do {
      return .separate(input: reading, output: try open(output.0, as: output.1, on: loop))
    } catch {
      Handle.close(reading)
      throw error
    }
  }

  private static func open(
    _ descriptor: Int32, as kind: uv_handle_type, on loop: UVLoop
  ) throws(UVStatus) -> UnsafeMutablePointer<uv_stream_t> {
    if kind == UV_TTY {
      return try Handle.make { uv_tty_init(loop.raw, $0, descriptor, 0) }
        .map { (handle: UnsafeMutablePointer<uv_tty_t>) in Handle.stream(handle) }.get()
    }
    let isTCP = kind == UV_TCP
    let handle = try (isTCP ? makeTCP(on: loop) : makePipe(on: loop)).get()
    let status = isTCP ? openTCP(handle, descriptor) : openPipe(handle, descriptor)
    guard status == 0 else {
      Handle.close(handle)
      throw UVStatus(status)
    }
    return handle
  }

  /// Opens a pipe handle over a descriptor: a pipe, a FIFO or a stream socket.
  static func openPipe(_ handle: UnsafeMutablePointer<uv_stream_t>, _ descriptor: Int32) -> Int32 {
    UnsafeMutableRawPointer(handle).withMemoryRebound(to: uv_pipe_t.self, capacity: 1) {
      uv_pipe_open($0, descriptor)
    }
  }

  /// Opens a TCP handle over a descriptor.
  static func openTCP(_ handle: UnsafeMutablePointer<uv_stream_t>, _ descriptor: Int32) -> Int32 {
    UnsafeMutableRawPointer(handle).withMemoryRebound(to: uv_tcp_t.self, capacity: 1) {
      uv_tcp_open($0, descriptor)
    }
  }

  private static func makeTCP(
    on loop: UVLoop
  ) -> Result<UnsafeMutablePointer<uv_stream_t>, UVStatus> {
    Handle.make { uv_tcp_init(loop.raw, $0) }
      .map { (handle: UnsafeMutablePointer<uv_tcp_t>) in Handle.stream(handle) }
  }

  private static func makePipe(
    on loop: UVLoop
  ) -> Result<UnsafeMutablePointer<uv_stream_t>, UVStatus> {
    Handle.make { uv_pipe_init(loop.raw, $0, 0) }
      .map { (handle: UnsafeMutablePointer<uv_pipe_t>) in Handle.stream(handle) }
  }
}
