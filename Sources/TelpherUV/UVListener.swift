internal import CLibUV
internal import TelpherSockets
internal import TelpherTransport

/// Accepts connections from a bound socket on one loop.
final class UVListener: Listener, HandleOwner {
  /// How long accepting pauses after it failed, in nanoseconds.
  private static let pauseAfterFailure: UInt64 = 100_000_000

  /// How many connections are accepted before the other work of the loop gets its turn. libuv
  /// itself accepts until no connection waits, so clients that connect without pause would block
  /// the loop forever.
  private static let acceptsPerTurn = 8

  private let loop: UVLoop
  private let socket: ListeningSocket
  private var didAccept: ((any ByteStream) -> Void)?
  private var handle: UnsafeMutablePointer<uv_stream_t>?
  /// Opens the listening handle again after a failure.
  private var reopenTimer: (any LoopTimer)?
  /// Ends a pause.
  private var pauseTimer: (any LoopTimer)?
  /// Whether `suspend` was called.
  private var isSuspended = false
  /// Whether a connection waits in libuv, which accepts no other until it is taken.
  private var hasWaiting = false
  /// How many connections may be accepted before the next pause.
  private var acceptsLeft = UVListener.acceptsPerTurn

  /// Starts accepting connections.
  init(
    loop: UVLoop, socket: ListeningSocket, _ didAccept: @escaping (any ByteStream) -> Void
  ) throws(TransportError) {
    self.loop = loop
    self.socket = socket
    self.didAccept = didAccept
    let what = "serve \(socket.address)"
    guard !loop.isClosing else { throw .loopEnded(what) }
    do { try open() } catch { throw error.error(what) }
  }

  func close() {
    loop.preconditionIsCurrent()
    for timer in [pauseTimer, reopenTimer] { timer?.cancel() }
    (pauseTimer, reopenTimer) = (nil, nil)
    guard hasWaiting, didAccept != nil else { return endAccepting() }
    // libuv has taken a connection from the queue: no other process can accept it.
    isSuspended = true
    loop.callLater { [self] in
      isSuspended = false
      acceptWaiting()
      endAccepting()
    }
  }

  private func endAccepting() {
    didAccept = nil
    closeHandle()
  }

  func pause(for nanoseconds: UInt64) {
    loop.preconditionIsCurrent()
    guard didAccept != nil, pauseTimer == nil else { return }
    pauseTimer = loop.schedule(after: nanoseconds) { [self] in
      pauseTimer = nil
      acceptWaiting()
    }
  }

  func suspend() {
    loop.preconditionIsCurrent()
    isSuspended = true
  }

  func resume() {
    loop.preconditionIsCurrent()
    guard isSuspended else { return }
    isSuspended = false
    if hasWaiting { acceptInNextTurn() }
  }

  private func open() throws(UVStatus) {
    let descriptor = socket.duplicate()
    guard descriptor >= 0 else { throw UVStatus(descriptor) }
    let handle = UVStream.makeSocket(socket.kind, on: loop)
    var status =
      socket.kind == .tcp
      ? UVStream.openTCP(handle, descriptor) : UVStream.openPipe(handle, descriptor)
    if status == 0 { status = uv_listen(handle, socket.backlog, listenerHasConnection) }
    guard status == 0 else {
      Handle.close(handle)
      throw UVStatus(status)
    }
    self.handle = handle
    Handle.give(handle, to: self)
  }

  private func closeHandle() {
    guard let handle else { return }
    self.handle = nil
    hasWaiting = false
    Handle.close(handle)
  }

  fileprivate func didReceiveConnection(_ status: Int32) {
    guard handle != nil, didAccept != nil else { return }
    guard status == 0 else { return pauseAccepting() }
    hasWaiting = true
    guard acceptsLeft > 0 else { return acceptInNextTurn() }
    acceptWaiting()
  }

  /// Leaves the waiting connection with libuv until the other I/O of this turn is done. libuv
  /// accepts no other connection during that time. A timer would wait for up to a millisecond, in
  /// which clients that connect without pause would fill the backlog.
  private func acceptInNextTurn() {
    loop.callLater { [self] in
      acceptsLeft = Self.acceptsPerTurn
      acceptWaiting()
    }
  }

  /// Accepts the connection that waits in libuv, unless accepting is paused.
  private func acceptWaiting() {
    guard hasWaiting, pauseTimer == nil, !isSuspended, let server = handle, let didAccept else {
      return
    }
    hasWaiting = false
    acceptsLeft -= 1
    let handle = UVStream.makeSocket(socket.kind, on: loop)
    guard uv_accept(server, handle) == 0 else { return Handle.close(handle) }
    let stream = UVStream(loop: loop, handles: .duplex(handle), peer: .inherited)
    stream.didConnect(socket.kind)
    didAccept(stream)
  }

  /// Closes the listening handle and opens it again after a pause.
  ///
  /// When descriptors run out, libuv closes a descriptor that it keeps in reserve, uses it to
  /// accept and close the waiting connections, and opens the reserve again. If another thread takes
  /// the free descriptor first, libuv would report the failure without end.
  private func pauseAccepting() {
    closeHandle()
    reopenTimer = loop.schedule(after: Self.pauseAfterFailure) { [self] in
      reopenTimer = nil
      do { try open() } catch { pauseAccepting() }
    }
  }
}

private func listenerHasConnection(_ handle: UnsafeMutablePointer<uv_stream_t>?, _ status: Int32) {
  Handle.owner(of: handle, as: UVListener.self).didReceiveConnection(status)
}
