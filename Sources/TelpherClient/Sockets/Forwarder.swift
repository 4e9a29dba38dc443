internal import TelpherForward
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// Runs one forwarding: accepts connections at one side and continues them at the other. Use it only
/// on the loop's thread.
final class Forwarder {
  private let forwarding: Forwarding
  private let session: ClientSession
  private let handle: @Sendable (ForwardEvent) -> Void
  private let lookup = HostLookup(limit: SocketDefaults.maxLookups)
  private var bound: (any BoundSocket)?
  private var listener: (any Listener)?
  private var announcements: ListenStream?
  private var sockets: [StreamID: ClientSocket] = [:]
  private var dials: [StreamID: SocketDial] = [:]
  /// The error with which the forwarding ends when its last connection has ended.
  private var errorWhenIdle: ClientError?
  private var outcome: (any Error)?
  private var waiter: WaitingTask<Void>?

  init(
    _ forwarding: Forwarding, session: ClientSession,
    handle: @escaping @Sendable (ForwardEvent) -> Void
  ) {
    self.forwarding = forwarding
    self.session = session
    self.handle = handle
  }

  private var loop: any EventLoop { session.link.loop }

  /// Listens, and returns when the forwarding has ended: never without an error.
  func run() async throws {
    switch forwarding.direction {
    case .toServer: try listen()
    case .fromServer: try listenAtServer()
    }
    try await withWaitingTask {
      (continuation: WaitingTask<Void>) in
      if let outcome { continuation.resume(throwing: outcome) } else { waiter = continuation }
    }
  }

  /// Ends the forwarding and resets its connections.
  func end(_ error: any Error) {
    guard outcome == nil else { return }
    outcome = error
    listener?.close()
    bound?.close()
    if let announcements { session.forgetSocket(announcements.stream) }
    announcements?.stop()
    for dial in dials.values { dial.cancel() }
    for socket in Array(sockets.values) {
      socket.reset(.canceled, reason: "the client forwards no more")
    }
    (listener, bound, announcements, dials) = (nil, nil, nil, [:])
    waiter?.resume(throwing: error)
    waiter = nil
  }

  /// Accepts no more, because the server accepts no more streams, and ends the forwarding after its
  /// last connection.
  func endWhenIdle(_ error: ClientError) {
    errorWhenIdle = errorWhenIdle ?? error
    listener?.close()
    bound?.close()
    (listener, bound) = (nil, nil)
    if sockets.isEmpty { end(error) }
  }

  // MARK: To the server

  private func listen() throws(ClientError) {
    do throws(TransportError) {
      let socket = try loop.bind(to: forwarding.local, backlog: SocketDefaults.backlog)
      bound = socket
      listener = try loop.serve(socket) { [unowned self] in accept($0) }
      handle(.listening(socket.address))
    } catch {
      bound?.close()
      throw ClientError(.badAddress, error.message)
    }
  }

  private func accept(_ socket: any ByteStream) {
    let peer = socket.peerText
    do throws(ClientError) {
      try open(SocketRequest(.connect, address: "\(forwarding.remote)"), for: peer).attach(socket)
    } catch {
      socket.setResetsOnClose(true)
      socket.close()
      handle(.failed(peer: peer, error))
    }
  }

  // MARK: From the server

  private func listenAtServer() throws(ClientError) {
    let request = SocketRequest(.listen, address: "\(forwarding.remote)")
    announcements = try session.openListener(request) { [unowned self] event in
      switch event {
      case .listening(let address): handle(.listening(address))
      case .accepted(let accepted): take(accepted)
      case .ended(let error): endWhenIdle(error)
      }
    }
  }

  /// Takes a connection that the server has accepted, and connects it here.
  private func take(_ accepted: ControlMessage.Accepted) {
    let socket: ClientSocket
    do throws(ClientError) {
      socket = try open(SocketRequest(accept: accepted.connection), for: accepted.peer)
    } catch {
      return handle(.failed(peer: accepted.peer, error))
    }
    let stream = socket.stream
    dials[stream] = SocketDial.connect(
      to: forwarding.local, on: loop, lookup: lookup, limit: SocketDefaults.connectTimeout
    ) { [unowned self] result in
      dials[stream] = nil
      switch result {
      case .success(let local): socket.attach(local)
      case .failure(let error):
        socket.reset(.socketBroken, reason: error.message)
        handle(.failed(peer: accepted.peer, ClientError(.unreachable, error.message)))
      }
    }
  }

  // MARK: Both

  private func open(
    _ request: SocketRequest, for peer: String
  ) throws(ClientError) -> ClientSocket {
    let socket = try session.openSocket(request) { [unowned self] socket, error in
      sockets[socket.stream] = nil
      dials.removeValue(forKey: socket.stream)?.cancel()
      if let error, outcome == nil { handle(.failed(peer: peer, error)) }
      if let errorWhenIdle, sockets.isEmpty { end(errorWhenIdle) }
    }
    sockets[socket.stream] = socket
    return socket
  }
}
