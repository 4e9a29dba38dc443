internal import CTelpherSys
internal import NIOCore
internal import TelpherSystem
internal import TelpherTransport

/// A byte stream over one of NIO's channels, of which it is the only handler: a socket, or one end of
/// a pipe.
///
/// Where NIO differs from the seam:
/// - A channel whose peer is gone is read to its end at once, however much nobody has asked for: at
///   most what the kernel had of it. It waits in `held`.
/// - A write that fails ends the whole channel. What had arrived is read before, but only while reads
///   are wanted; then the stream ends as broken.
final class NIOStream: ByteStream, ChannelInboundHandler, LoopHandle {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// What carries the bytes.
  enum Carrier {
    /// A socket, both ways.
    case socket
    /// A descriptor that is read.
    case input(Int32)
    /// A descriptor that is written.
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
      if (readLimit > 0) != (oldValue > 0) { readingMayChange() }
    }
  }

  /// Called once the channel can be used.
  var didActivate: ((NIOStream) -> Void)?
  /// The channel's side of this handler; nil once NIO has let go of it.
  var context: ChannelHandlerContext?
  /// The channel's options; nil before it has any, and once it is closed.
  var options: (any NIOSynchronousChannelOptions)?
  /// The descriptor of a socket; nil before it has a channel, and once it is closed.
  private(set) var socketDescriptor: Int32?
  /// What a descriptor that was open before is to be left as.
  var adopted: AdoptedDescriptor?
  /// How deep in calls to NIO this is: what NIO tells meanwhile is told on later.
  var callDepth = 0

  // Reading: see NIOStream+Reading.swift.
  let sizing: ReadSizing
  var wantsReads = false
  var isReading = false
  var isDelivering = false
  /// Whether a full read asks for a larger pipe.
  var growsPipe = false
  /// What was read before anybody wanted it.
  var held: [Chunk] = []
  /// The end, until it was told.
  var untoldEnd: TransportError??
  /// Whether the end of the peer's bytes was seen.
  var hasSeenEnd = false
  /// What NIO said of the channel last.
  var lastError: (any Error)?

  // Writing: see NIOStream+Writing.swift.
  /// Whether a `write` returned false and `onWritable` has not followed yet.
  var owesWritable = false
  /// The storages of what NIO has queued. NIO keeps their memory, and by these it is counted as in
  /// use (`ChunkStorage.bytesInUse`).
  var queuedStorages: [ChunkStorage] = []
  /// Whether writing has failed for good.
  var hasFailed = false
  /// Whether `finishWriting` was called.
  var isFinished = false
  /// Whether `close` was called.
  private(set) var isClosed = false

  /// A stream without a channel. `install` follows.
  init(loop: NIOLoop, carrier: Carrier, peer: PeerIdentity) {
    self.loop = loop
    self.carrier = carrier
    self.peer = peer
    sizing = ReadSizing(loop.reads)
    loop.keep(self)
  }

  /// Makes this the handler of `channel`, before that is registered.
  func install(in channel: any Channel) throws {
    guard let options = channel.syncOptions else {
      preconditionFailure("NIOPosix's channels have options")
    }
    self.options = options
    // Reads are wanted one at a time: after each the owner may have had enough.
    try options.setOption(.maxMessagesPerRead, value: 1)
    try options.setOption(.autoRead, value: false)
    try options.setOption(.recvAllocator, value: sizing)
    // How much is queued is asked, and its end told by a promise.
    try options.setOption(
      .writeBufferWaterMark, value: .init(low: 1, high: Int(Int32.max)))
    if case .socket = carrier {
      try options.setOption(.allowRemoteHalfClosure, value: true)
      let descriptor = try channel.pipeline.syncOperations
        .withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
      // NIO lets every child inherit its sockets.
      if let descriptor { _ = telpher_close_on_exec(descriptor) }
      socketDescriptor = descriptor
    }
    try channel.pipeline.syncOperations.addHandler(self)
  }

  // MARK: - What NIO tells

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    didCloseChannel()
    // It never was a connection: nobody else has it.
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
    lastError = error
  }

  func channelInactive(context: ChannelHandlerContext) {
    didCloseChannel()
    guard !isClosed else { return }
    if case .output = carrier { return }
    receiveEnd(lastError.map { TransportError("read from \(peer)", $0) })
  }

  // MARK: - The end

  /// Whether the channel is open.
  var isOpen: Bool { options != nil }

  func close() {
    loop.preconditionIsCurrent()
    guard !isClosed else { return }
    isClosed = true
    (onRead, onEnd, onWritable, onWriteFailure, didActivate) = (nil, nil, nil, nil, nil)
    (held, queuedStorages) = ([], [])
    closeChannel()
    loop.remove(self)
  }

  /// Closes the channel, and with it its descriptors.
  func closeChannel() {
    guard isOpen else { return }
    adopted?.restoreFlags()
    callNIO { $0.close(mode: .all, promise: nil) }
    didCloseChannel()
  }

  private func didCloseChannel() {
    options = nil
    socketDescriptor = nil
  }

  /// Calls NIO, while what it tells is kept for later.
  func callNIO(_ body: (ChannelHandlerContext) -> Void) {
    guard let context else { return }
    callDepth += 1
    body(context)
    callDepth -= 1
  }
}
