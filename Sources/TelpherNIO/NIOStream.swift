internal import CTelpherSys
internal import NIOCore
internal import TelpherSockets
internal import TelpherTransport

/// A byte stream over one NIO channel: a socket or one end of a pipe. The stream is the channel's
/// only handler.
///
/// NIO differs from `ByteStream` in two points:
/// - When the peer is gone, NIO reads all remaining bytes of the channel at once, even if the owner
///   asked for none. That is at most what the kernel had buffered. These bytes wait in `held`.
/// - A write that fails ends the whole channel. Bytes that had arrived are read first, but only
///   while reads are wanted. Then the stream ends as broken.
final class NIOStream: ByteStream, ChannelInboundHandler, LoopHandle {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// The kind of descriptor that carries the bytes.
  enum Carrier {
    /// A socket, for reading and writing.
    case socket
    /// A descriptor to read from.
    case input(Int32)
    /// A descriptor to write to.
    case output(Int32)
  }

  let loop: NIOLoop
  let carrier: Carrier
  var peer: PeerIdentity

  var onRead: ((Chunk) -> Void)?
  var onEnd: ((TransportError?) -> Void)?
  var onWritable: (() -> Void)?
  var onWriteFailure: ((TransportError) -> Void)?

  var readLimit = Int.max {
    didSet {
      sizing.limit = wantedLimit
      input.limit = readLimit
      if (readLimit > 0) != (oldValue > 0) { readingMayChange() }
    }
  }

  /// Called when the channel can be used.
  var didActivate: ((NIOStream) -> Void)?
  /// The channel that carries the bytes.
  var channel = StreamChannel()
  /// The receiving side: see NIOStream+Reading.swift.
  var input = StreamInput()
  /// The sending side: see NIOStream+Writing.swift.
  var output = StreamOutput()
  /// The buffers that NIO reads into.
  let sizing: ReadSizing
  /// Whether the pipe is to be enlarged after a full read.
  var growsPipe = false
  /// Whether `close` was called.
  private(set) var isClosed = false

  /// Creates a stream without a channel. `install` follows.
  init(loop: NIOLoop, carrier: Carrier, peer: PeerIdentity) {
    self.loop = loop
    self.carrier = carrier
    self.peer = peer
    sizing = ReadSizing(loop.reads)
    loop.keep(self)
  }

  /// Makes this stream the handler of `channel`. Call it before the channel is registered.
  func install(in channel: any Channel) throws {
    guard let options = channel.syncOptions else {
      preconditionFailure("NIOPosix's channels have options")
    }
    // One read at a time: after each, the owner may want to pause.
    try options.setOption(.maxMessagesPerRead, value: 1)
    try options.setOption(.autoRead, value: false)
    try options.setOption(.recvAllocator, value: sizing)
    // The high mark is never reached: the stream asks for the queued bytes itself, and a promise
    // reports when the queue is empty.
    try options.setOption(
      .writeBufferWaterMark, value: .init(low: 1, high: Int(Int32.max)))
    var socket: Int32?
    if case .socket = carrier {
      try options.setOption(.allowRemoteHalfClosure, value: true)
      socket = try channel.pipeline.syncOperations
        .withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
      // NIO does not make its sockets close-on-exec.
      if let socket { _ = telpher_close_on_exec(socket) }
    }
    self.channel.didOpen(options, socket: socket)
    try channel.pipeline.syncOperations.addHandler(self)
  }

  // MARK: - Events from NIO

  func handlerAdded(context: ChannelHandlerContext) {
    channel.context = context
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    channel.context = nil
    channel.didClose()
    // The channel never became active, so no other code has the stream.
    if didActivate != nil { close() }
  }

  func channelActive(context: ChannelHandlerContext) {
    let didActivate = didActivate
    self.didActivate = nil
    didActivate?(self)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    receive(loop.reads.chunk(of: unwrapInboundIn(data)))
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { receiveEnd(nil) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    channel.lastError = error
  }

  func channelInactive(context: ChannelHandlerContext) {
    channel.didClose()
    guard !isClosed else { return }
    if case .output = carrier { return }
    receiveEnd(channel.lastError.map { TransportError("read from \(peer)", $0) })
  }

  // MARK: - The end

  func close() {
    loop.preconditionIsCurrent()
    guard !isClosed else { return }
    isClosed = true
    (onRead, onEnd, onWritable, onWriteFailure, didActivate) = (nil, nil, nil, nil, nil)
    input.close()
    output.close()
    closeChannel()
    loop.remove(self)
  }

  /// Closes the channel and its descriptors.
  func closeChannel() {
    guard channel.isOpen else { return }
    channel.adopted?.restoreFlags()
    callNIO { $0.close(mode: .all, promise: nil) }
    channel.didClose()
  }

  /// Calls NIO. Events that NIO reports during the call are delivered later.
  func callNIO(_ body: (ChannelHandlerContext) -> Void) {
    guard let context = channel.context else { return }
    channel.beginCall()
    body(context)
    channel.endCall()
  }
}
