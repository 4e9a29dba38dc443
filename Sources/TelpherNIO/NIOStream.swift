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
      if (readLimit > 0) != (oldValue > 0) { readingMayChange() }
    }
  }

  /// Called when the channel can be used.
  var didActivate: ((NIOStream) -> Void)?
  /// The context of this handler in its channel. Nil after NIO has removed the handler.
  var context: ChannelHandlerContext?
  /// The channel's options. Nil before the stream has a channel and after the channel was closed.
  var options: (any NIOSynchronousChannelOptions)?
  /// The descriptor of a socket. Nil before the stream has a channel and after the channel was
  /// closed.
  private(set) var socketDescriptor: Int32?
  /// An inherited descriptor whose flags are restored when the stream closes.
  var adopted: AdoptedDescriptor?
  /// The number of nested calls to NIO. Events that NIO reports meanwhile are delivered later.
  var callDepth = 0

  // Reading: see NIOStream+Reading.swift.
  let sizing: ReadSizing
  var wantsReads = false
  var isReading = false
  var isDelivering = false
  /// Whether the pipe is to be enlarged after a full read.
  var growsPipe = false
  /// Chunks that were read before the owner accepted them.
  var held: [Chunk] = []
  /// The end of the peer's bytes, until it was delivered: an error, or nil for a normal end.
  var undeliveredEnd: TransportError??
  /// Whether the end of the peer's bytes has arrived.
  var hasSeenEnd = false
  /// The last error that NIO reported.
  var lastError: (any Error)?

  // Writing: see NIOStream+Writing.swift.
  /// Whether a `write` returned false and `onWritable` has not followed yet.
  var owesWritable = false
  /// The storages of chunks that NIO has queued. NIO keeps their memory; while the storages are
  /// listed here, the memory counts as in use (`ChunkStorage.bytesInUse`).
  var queuedStorages: [ChunkStorage] = []
  /// Whether writing has failed permanently.
  var hasFailed = false
  /// Whether `finishWriting` was called.
  var isFinished = false
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
    self.options = options
    // One read at a time: after each, the owner may want to pause.
    try options.setOption(.maxMessagesPerRead, value: 1)
    try options.setOption(.autoRead, value: false)
    try options.setOption(.recvAllocator, value: sizing)
    // The high mark is never reached: the stream asks for the queued bytes itself, and a promise
    // reports when the queue is empty.
    try options.setOption(
      .writeBufferWaterMark, value: .init(low: 1, high: Int(Int32.max)))
    if case .socket = carrier {
      try options.setOption(.allowRemoteHalfClosure, value: true)
      let descriptor = try channel.pipeline.syncOperations
        .withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
      // NIO does not make its sockets close-on-exec.
      if let descriptor { _ = telpher_close_on_exec(descriptor) }
      socketDescriptor = descriptor
    }
    try channel.pipeline.syncOperations.addHandler(self)
  }

  // MARK: - Events from NIO

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    didCloseChannel()
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

  /// Closes the channel and its descriptors.
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

  /// Calls NIO. Events that NIO reports during the call are delivered later.
  func callNIO(_ body: (ChannelHandlerContext) -> Void) {
    guard let context else { return }
    callDepth += 1
    body(context)
    callDepth -= 1
  }
}
