internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import TelpherSockets
internal import TelpherTransport

/// Accepts connections from a bound socket on one loop, when the loop has the turn (see
/// `NIOBoundSocket`).
final class NIOListener: Listener, LoopHandle {
  /// The most connections to accept in one turn. Two turns may follow `suspend()`: NIO delivers a
  /// connection only after it has begun the next read.
  private static let acceptsPerTurn: UInt = 32
  /// How long accepting pauses after it failed, in nanoseconds.
  private static let pauseAfterFailure: UInt64 = 100_000_000

  private let loop: NIOLoop
  private let server: NIOBoundSocket
  private var didAccept: ((any ByteStream) -> Void)?
  private var channel: (any Channel)?
  private var pauseTimer: (any LoopTimer)?
  /// This loop's part in the turns to accept.
  private enum Turn {
    /// It has the turn. Next: `waiting`, `left`.
    case own
    /// Another loop has it. Next: `own`, `left`.
    case waiting
    /// It takes no turns, because it was suspended. Next: `own`, `waiting`.
    case left
  }
  private var turn = Turn.waiting
  /// Whether `suspend` was called.
  private var isSuspended = false
  /// A spare descriptor. When descriptors run out it is closed, to accept and close the waiting
  /// connections.
  private var reserve: Int32 = -1

  /// Starts accepting connections.
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
    turn = server.add(self, on: loop) ? .own : .waiting
    open(descriptor)
  }

  func close() {
    loop.preconditionIsCurrent()
    guard didAccept != nil else { return }
    didAccept = nil
    loop.remove(self)
    pauseTimer?.cancel()
    pauseTimer = nil
    closeChannel()
    if reserve >= 0 { _ = Glibc.close(reserve) }
    reserve = -1
    server.removeListener(on: loop)
  }

  func pause(for nanoseconds: UInt64) {
    loop.preconditionIsCurrent()
    guard pauseTimer == nil, didAccept != nil else { return }
    pauseTimer = loop.schedule(after: nanoseconds) { [self] in
      pauseTimer = nil
      didAcceptAll()
    }
  }

  /// A read that NIO has begun can't be taken back: it may still accept some connections.
  func suspend() {
    loop.preconditionIsCurrent()
    isSuspended = true
  }

  func resume() {
    loop.preconditionIsCurrent()
    guard isSuspended, didAccept != nil else { return }
    isSuspended = false
    guard turn == .left else { return }
    turn = server.add(self, on: loop) ? .own : .waiting
    // Later: NIO may accept at once, and no connection comes from within this call.
    loop.callLater { [self] in accept() }
  }

  /// Leaves the turns to the other loops while this one is suspended.
  private func leaveTurns() {
    guard turn != .left else { return }
    turn = .left
    server.removeListener(on: loop)
  }

  /// Gives this listener the turn to accept. Does nothing if it is closed.
  func takeTurn() {
    guard !isSuspended else { return leaveTurns() }
    turn = .own
    accept()
  }

  private func accept() {
    guard turn == .own, pauseTimer == nil, !isSuspended else { return }
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
    // NIO has called listen(2) again, with its own backlog.
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
      stream.didConnect(server.socket.kind)
      didAccept(stream)
    }
    do { try stream.install(in: channel) } catch {
      stream.close()
      throw error
    }
  }

  /// Called when the waiting connections have been accepted.
  fileprivate func didAcceptAll() {
    guard pauseTimer == nil else { return }
    guard !isSuspended else { return leaveTurns() }
    turn = server.passTurn(from: loop) ? .own : .waiting
    accept()
  }

  // MARK: - Failures

  /// Called when no descriptor is left for a connection. Closes the spare descriptor, and with it
  /// accepts and closes the waiting connections.
  fileprivate func didFail() {
    if reserve >= 0 { _ = Glibc.close(reserve) }
    if reserve >= 0 { server.socket.closeWaitingConnections() }
    reserve = -1
    refill()
    // If another thread took the free descriptor, accepting would fail without end. So it pauses.
    guard reserve < 0, pauseTimer == nil, didAccept != nil else { return }
    pauseTimer = loop.schedule(after: Self.pauseAfterFailure) { [self] in
      pauseTimer = nil
      refill()
      didAcceptAll()
    }
  }

  private func reopenLater() {
    guard didAccept != nil, pauseTimer == nil else { return }
    pauseTimer = loop.schedule(after: Self.pauseAfterFailure) { [self] in
      pauseTimer = nil
      let descriptor = server.socket.duplicate()
      if descriptor < 0 { reopenLater() } else { open(descriptor) }
    }
  }

  private func refill() {
    if reserve < 0 { reserve = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC) }
  }
}

/// Passes the events of the server's channel to its listener. It comes before the handler that NIO
/// adds to each server channel, which would pause for a second after a failure.
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
