internal import TelpherForward
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// Runs one forwarding: accepts connections at one side and continues them at the other. Use it only
/// on the loop's thread.
final class Forwarder: SessionFollower {
  private let forwarding: Forwarding
  /// Where new connections go.
  private var route: ForwardRoute
  /// Makes another connection to the server; nil if the forwarding stays with the first one.
  private let reconnect: (@Sendable () async throws -> Connection)?
  private var isMoving = false
  private var hasMoved = false
  private let handle: @Sendable (ForwardEvent) -> Void
  private let lookup = HostLookup(limit: SocketDefaults.maxLookups)
  private var bound: (any BoundSocket)?
  private var listener: (any Listener)?
  private var announcements: ListenStream?
  private var sockets: [ObjectIdentifier: ClientSocket] = [:]
  private var dials: [ObjectIdentifier: SocketDial] = [:]
  /// The error with which the forwarding ends when its last connection has ended.
  private var errorWhenIdle: ClientError?
  private var outcome: (any Error)?
  private var waiter: WaitingTask<Void>?

  init(
    _ forwarding: Forwarding, over route: ForwardRoute,
    reconnect: (@Sendable () async throws -> Connection)?,
    handle: @escaping @Sendable (ForwardEvent) -> Void
  ) {
    self.forwarding = forwarding
    self.route = route
    self.reconnect = reconnect
    self.handle = handle
  }

  private var session: ClientSession { route.session }
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

  // MARK: Another server process

  /// After a failed attempt to connect again, and before every further move, in nanoseconds: a
  /// server may ask each time.
  private static let pause: UInt64 = 1_000_000_000

  /// The server was replaced: connects again. Until that succeeds, the old server process carries new
  /// connections. Sockets that the server accepts stay with the process that listens.
  func serverAsksToLeave() {
    guard let reconnect, forwarding.direction == .toServer, !isMoving else { return }
    isMoving = true
    let connection = route.connection
    let isFirst = !hasMoved
    nonisolated(unsafe) let forwarder = self
    Task(executorPreference: loop) {
      if !isFirst { await connection.pause(Self.pause) }
      while await connection.carries(forwarder) {
        do {
          try await reconnect().take(forwarder)
          return
        } catch {
          await connection.pause(Self.pause)
        }
      }
    }
  }

  /// Whether the forwarding goes on, over this route.
  func isOver(_ session: ClientSession) -> Bool { outcome == nil && route.session === session }

  /// New connections go over `next` from now on.
  func move(to next: ForwardRoute) {
    isMoving = false
    hasMoved = true
    guard outcome == nil, errorWhenIdle == nil else { return next.close() }
    let old = route
    old.session.remove(self)
    route = next
    if old.sockets == 0 { old.close() }
    next.session.add(self)
  }

  /// The forwarding has ended.
  func leave() { session.remove(self) }

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
      case .listening(.socket(let address)): handle(.listening(address))
      case .listening(.hub): break
      case .accepted(let accepted): take(accepted)
      case .ended(let error, _): endWhenIdle(error)
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
    let key = ObjectIdentifier(socket)
    dials[key] = SocketDial.connect(
      to: forwarding.local, on: loop, lookup: lookup, limit: SocketDefaults.connectTimeout
    ) { [unowned self] result in
      dials[key] = nil
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
    let route = route
    let socket = try session.openSocket(request) { [unowned self] socket, error in
      sockets[ObjectIdentifier(socket)] = nil
      dials.removeValue(forKey: ObjectIdentifier(socket))?.cancel()
      route.sockets -= 1
      if route !== self.route, route.sockets == 0 { route.close() }
      if let error, outcome == nil { handle(.failed(peer: peer, error)) }
      if let errorWhenIdle, sockets.isEmpty { end(errorWhenIdle) }
    }
    route.sockets += 1
    sockets[ObjectIdentifier(socket)] = socket
    return socket
  }
}
