internal import CTelpherSys
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import TelpherSockets
internal import TelpherTransport

/// A UDP socket over NIO's datagram channel.
///
/// NIO closes the channel when the system refuses to send, even if only one address is unreachable.
/// So the channel uses a copy of the descriptor, and a new channel replaces a closed one.
final class NIODatagramSocket: DatagramSocket, ChannelInboundHandler, LoopHandle {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>
  typealias OutboundOut = AddressedEnvelope<ByteBuffer>

  /// The size of the receive buffer in bytes. It holds the longest datagram, so none is cut off.
  private static let readSize = 65_536

  let address: DatagramAddress
  private let loop: NIOLoop
  private let descriptor: Int32
  private var didReceive: ((Chunk, DatagramAddress) -> Void)?
  private var context: ChannelHandlerContext?
  /// How many bytes NIO has not sent yet.
  private var queuedBytes = 0

  /// Opens a socket and starts receiving.
  init(
    loop: NIOLoop, address: DatagramAddress,
    _ didReceive: @escaping (Chunk, DatagramAddress) -> Void
  ) throws(TransportError) {
    let what = "open \(address)"
    guard !loop.isClosing else { throw .loopEnded(what) }
    var target = try SystemAddress(address, what)
    let descriptor = socket(
      target.family, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw TransportError(what, errno: errno) }
    var own = telpher_address()
    var status = telpher_bind(descriptor, &target.storage)
    if status == 0 { status = telpher_own_address(descriptor, &own) }
    guard status == 0 else {
      _ = Glibc.close(descriptor)
      throw TransportError(what, errno: -status)
    }
    self.loop = loop
    self.address = DatagramAddress(host: address.host, port: telpher_address_port(&own))
    self.descriptor = descriptor
    self.didReceive = didReceive
    loop.keep(self)
    open()
    guard context != nil else {
      close()
      throw TransportError(what, errno: EMFILE)
    }
  }

  func send(_ payload: Chunk, to address: DatagramAddress) throws(TransportError) {
    loop.preconditionIsCurrent()
    guard didReceive != nil else { return }
    guard payload.count <= DatagramLimits.payloadBytes else {
      throw .datagramTooLong(payload.count, to: address)
    }
    let what = "send to \(address)"
    let target = NIOCore.SocketAddress(try SystemAddress(address, what))
    guard let context, queuedBytes + payload.count <= DatagramLimits.queuedBytes else {
      throw TransportError(what, errno: ENOBUFS)
    }
    // Copied, because NIO can only write its own memory.
    let buffer = payload.withUnsafeBytes { ByteBuffer(bytes: $0) }
    var failure: (any Error)?
    let promise = context.eventLoop.makePromise(of: Void.self)
    queuedBytes += payload.count
    promise.futureResult.assumeIsolated().whenComplete { [self] result in
      queuedBytes -= payload.count
      if case .failure(let error) = result { failure = error }
    }
    context.writeAndFlush(
      wrapOutboundOut(AddressedEnvelope(remoteAddress: target, data: buffer)), promise: promise)
    // A datagram that fails later is not reported: any datagram may be lost.
    if let failure { throw TransportError(what, failure) }
  }

  func close() {
    loop.preconditionIsCurrent()
    guard didReceive != nil else { return }
    didReceive = nil
    loop.remove(self)
    context?.close(mode: .all, promise: nil)
    context = nil
    _ = Glibc.close(descriptor)
  }

  // MARK: - NIO's channel

  private func open() {
    guard didReceive != nil, context == nil else { return }
    let copy = telpher_duplicate(descriptor, STDERR_FILENO + 1)
    guard copy >= 0 else { return }
    let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
    DatagramBootstrap(group: loop.eventLoop)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.syncOptions?.setOption(
            .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.readSize))
          try channel.pipeline.syncOperations.addHandler(bound.value)
        }
      }
      .withBoundSocket(copy)
      .assumeIsolated().whenFailure { _ in _ = Glibc.close(copy) }
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    if self.context === context { self.context = nil }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let envelope = unwrapInboundIn(data)
    // Copied, so that a chunk that is kept holds no more memory than its bytes.
    let payload = envelope.data.withUnsafeReadableBytes { Chunk(copying: $0) }
    didReceive?(
      payload, envelope.remoteAddress.withSockAddr { sender, _ in DatagramAddress(sender) })
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {}

  func channelInactive(context: ChannelHandlerContext) {
    if self.context === context { self.context = nil }
    guard !loop.isClosing else { return }
    loop.callLater { [self] in open() }
  }
}
