internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import TelpherSystem
internal import TelpherTransport

/// Accepts from a bound socket on one loop, when it is its turn.
final class NIOListener: Listener, LoopHandle {
  /// The most connections that are accepted in one turn.
  private static let acceptsPerTurn: UInt = 64
  /// How long accepting rests after it failed, in nanoseconds.
  private static let rest: UInt64 = 100_000_000

  private let loop: NIOLoop
  private let server: NIOBoundSocket
  private var didAccept: ((any ByteStream) -> Void)?
  private var channel: (any Channel)?
  private var restTimer: (any LoopTimer)?
  /// Whether this loop is the one to accept.
  private var hasTurn = false
  /// Given up when descriptors have run out, to refuse with it what is waiting.
  private var reserve: Int32 = -1

  /// A listener that accepts.
  init(
    loop: NIOLoop, socket: NIOBoundSocket, _ didAccept: @escaping (any ByteStream) -> Void
  ) throws(TransportError) {
    self.loop = loop
    server = socket
    self.didAccept = didAccept
    let what = "serve \(socket.address)"
    guard !loop.isClosing else { throw .loopEnded(what) }
    let descriptor = socket.socket.duplicate()
    guard descriptor >= 0 else { throw TransportError(what, errno: -descriptor) }
    refill()
    loop.keep(self)
    hasTurn = server.add(self, on: loop)
    open(descriptor)
  }

  func close() {
    loop.preconditionIsCurrent()
    guard didAccept != nil else { return }
    didAccept = nil
    loop.remove(self)
    restTimer?.cancel()
    restTimer = nil
    closeChannel()
    if reserve >= 0 { _ = Glibc.close(reserve) }
    reserve = -1
    server.removeListener(on: loop)
  }

  /// Accepts the next connections. Harmless when closed.
  func takeTurn() {
    hasTurn = true
    accept()
  }

  private func accept() {
    guard hasTurn, restTimer == nil else { return }
    channel?.read()
  }

  // MARK: - NIO's channel

  private func open(_ descriptor: Int32) {
    let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
    ServerBootstrap(group: loop.eventLoop)
      .serverChannelOption(.autoRead, value: false)
      .serverChannelOption(.maxMessagesPerRead, value: Self.acceptsPerTurn)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Accepting(bound.value))
        }
      }
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try bound.value.prepare(channel) }
      }
      .withBoundSocket(descriptor)
      .assumeIsolated().whenComplete { [self] in didOpen($0) }
  }

  private func didOpen(_ result: Result<any Channel, any Error>) {
    guard case .success(let channel) = result else { return reopenLater() }
    // NIO has listened again, with its own idea of a backlog.
    server.socket.listenAgain()
    self.channel = channel
    if didAccept == nil { closeChannel() } else { accept() }
  }

  private func closeChannel() {
    channel?.close(mode: .all, promise: nil)
    channel = nil
  }

  private func prepare(_ channel: any Channel) throws {
    let stream = NIOStream(loop: loop, carrier: .socket, peer: .inherited)
    stream.didActivate = { [self] stream in
      guard let didAccept else { return stream.close() }
      stream.didConnect(unix: server.socket.isUnix)
      didAccept(stream)
    }
    do { try stream.install(in: channel) } catch {
      stream.close()
      throw error
    }
  }

  /// What there was has been accepted.
  fileprivate func didAcceptAll() {
    guard restTimer == nil else { return }
    hasTurn = server.passTurn(from: loop)
    accept()
  }

  // MARK: - Failures

  /// Out of descriptors: refuses what is waiting, by means of the one in reserve.
  fileprivate func didFail() {
    if reserve >= 0 { _ = Glibc.close(reserve) }
    if reserve >= 0 { server.socket.refuseWaiting() }
    reserve = -1
    refill()
    // Where another thread was faster, accepting would fail without end.
    guard reserve < 0, restTimer == nil, didAccept != nil else { return }
    restTimer = loop.schedule(after: Self.rest) { [self] in
      restTimer = nil
      refill()
      didAcceptAll()
    }
  }

  private func reopenLater() {
    guard didAccept != nil, restTimer == nil else { return }
    restTimer = loop.schedule(after: Self.rest) { [self] in
      restTimer = nil
      let descriptor = server.socket.duplicate()
      if descriptor < 0 { reopenLater() } else { open(descriptor) }
    }
  }

  private func refill() {
    if reserve < 0 { reserve = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC) }
  }
}

/// Tells a listener of its channel. It stands before the handler that NIO puts into every server's
/// channel, which would rest for a second after a failure.
private final class Accepting: ChannelInboundHandler {
  typealias InboundIn = any Channel

  private let listener: NIOListener

  init(_ listener: NIOListener) {
    self.listener = listener
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    listener.didAcceptAll()
    context.fireChannelReadComplete()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch (error as? IOError)?.errnoCode {
    case EMFILE, ENFILE, ENOBUFS, ENOMEM: listener.didFail()
    case ECONNABORTED: break
    default: context.fireErrorCaught(error)
    }
  }
}
