internal import CLibUV
internal import TelpherSystem
internal import TelpherTransport

/// Accepts from a bound socket on one loop.
final class UVListener: Listener, HandleOwner {
  /// How long accepting rests after it failed, in nanoseconds.
  private static let rest: UInt64 = 100_000_000

  /// The connections that are accepted before everything else on the loop has its turn. libuv accepts
  /// until nothing waits: clients that connect without end would keep it from ever coming back.
  private static let acceptsPerTurn = 32

  private let loop: UVLoop
  private let socket: ListeningSocket
  private var didAccept: ((any ByteStream) -> Void)?
  private var handle: UnsafeMutablePointer<uv_stream_t>?
  private var restTimer: (any LoopTimer)?
  /// Connections that may be accepted before the next pause.
  private var acceptsLeft = UVListener.acceptsPerTurn
  /// Runs while libuv holds a connection that is not taken yet, and accepts no other.
  private var turnTimer: (any LoopTimer)?

  /// A listener that accepts.
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
    didAccept = nil
    restTimer?.cancel()
    restTimer = nil
    closeHandle()
  }

  private func open() throws(UVStatus) {
    let descriptor = socket.duplicate()
    guard descriptor >= 0 else { throw UVStatus(descriptor) }
    let handle = UVStream.makeSocket(unix: socket.isUnix, on: loop)
    var status =
      socket.isUnix
      ? UVStream.openPipe(handle, descriptor) : UVStream.openTCP(handle, descriptor)
    if status == 0 { status = uv_listen(handle, socket.backlog, listenerHasConnection) }
    guard status == 0 else {
      Handle.close(handle)
      throw UVStatus(status)
    }
    self.handle = handle
    Handle.give(handle, to: self)
  }

  private func closeHandle() {
    turnTimer?.cancel()
    turnTimer = nil
    guard let handle else { return }
    self.handle = nil
    Handle.close(handle)
  }

  fileprivate func didReceiveConnection(_ status: Int32) {
    guard handle != nil, didAccept != nil else { return }
    guard status == 0 else { return takeRest() }
    guard acceptsLeft > 0 else { return takeTurn() }
    acceptsLeft -= 1
    accept()
  }

  /// Leaves the connection to libuv until the others on the loop had their turn.
  private func takeTurn() {
    turnTimer = loop.schedule(after: 0) { [self] in
      turnTimer = nil
      acceptsLeft = Self.acceptsPerTurn - 1
      accept()
    }
  }

  private func accept() {
    guard let server = handle, let didAccept else { return }
    let handle = UVStream.makeSocket(unix: socket.isUnix, on: loop)
    guard uv_accept(server, handle) == 0 else { return Handle.close(handle) }
    let stream = UVStream(loop: loop, handles: .duplex(handle), peer: .inherited)
    stream.didConnect(unix: socket.isUnix)
    didAccept(stream)
  }

  /// Out of descriptors, libuv gives up one that it keeps in reserve, and with it accepts and closes
  /// what is waiting. Where it could not get its reserve back, since another thread was faster, it
  /// would call here without end. So the handle is closed, and opened again a little later.
  private func takeRest() {
    closeHandle()
    restTimer = loop.schedule(after: Self.rest) { [self] in
      do { try open() } catch { takeRest() }
    }
  }
}

private func listenerHasConnection(_ handle: UnsafeMutablePointer<uv_stream_t>?, _ status: Int32) {
  Handle.owner(of: handle, as: UVListener.self).didReceiveConnection(status)
}
