internal import TelpherForward
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// The sockets that one client has opened through the server. Use it only on its loop's thread.
final class ConnectionSockets {
  /// Whether the server forwards connections.
  private let isAllowed: Bool
  private let limits: SocketLimits
  private let counters: ServerCounters
  private let lookup: HostLookup
  private let count = SocketCount()
  private var listeners: [ObjectIdentifier: ListenJob] = [:]
  private var sockets: [ObjectIdentifier: SocketJob] = [:]

  init(_ configuration: ServerConfiguration, _ counters: ServerCounters, _ lookup: HostLookup) {
    // Not the whole configuration, which is long: most connections open no socket.
    isAllowed = configuration.allowsSockets
    limits = configuration.sockets
    self.counters = counters
    self.lookup = lookup
  }

  /// Checks a request that asks whether the client may connect.
  ///
  /// - Throws: `SocketRefusal`, or `TransportError` if the address is wrong, if it may not.
  func check(_ request: SocketRequest) throws {
    try checkForwarding()
    _ = try Self.address(of: request)
  }

  private func checkForwarding() throws(SocketRefusal) {
    guard isAllowed else {
      throw SocketRefusal(
        "this server forwards no connections (--no-forward, --no-commands, --read-only or --root)")
    }
  }

  /// Starts the work of a request other than `check`.
  ///
  /// - Parameters:
  ///   - willStart: called with the work before it can end.
  ///   - didFinish: called with the work at its end, once.
  /// - Throws: `SocketRefusal` if the request is refused; `TransportError` if a socket can't listen.
  ///   Nothing was started then.
  func start(
    _ request: SocketRequest, link: Link, stream: StreamID,
    willStart: (any StreamWork) -> Void,
    didFinish: @escaping (any StreamWork, StreamClosing) -> Void
  ) throws {
    try checkForwarding()
    switch request.operation {
    case .check: preconditionFailure("`check` answers it")
    case .connect:
      let address = try Self.address(of: request)
      let job = add(
        SocketJob(link: link, stream: stream, slot: try takeSlot()), didFinish)
      willStart(job)
      job.connect(to: address, lookup: lookup, limit: limits.connectTimeout)
    case .listen:
      willStart(
        try listen(
          at: try Self.address(of: request), request.address ?? "", link, stream, didFinish))
    case .accept:
      let name = request.connection ?? ""
      for listener in listeners.values {
        guard let address = listener.address, let accepted = try listener.claim(name) else {
          continue
        }
        let job = add(SocketJob(link: link, stream: stream, slot: accepted.slot), didFinish)
        willStart(job)
        return job.open(accepted.socket, at: address)
      }
      throw SocketRefusal("there is no such connection: it was taken, or waited for too long")
    }
  }

  /// The address, as the client has written it, of the listening socket that has announced the connection
  /// `name`; nil if none has.
  func listener(of name: String) -> String? {
    listeners.values.first { $0.hasAnnounced(name) }?.requested
  }

  private func listen(
    at address: SocketAddress, _ text: String, _ link: Link, _ stream: StreamID,
    _ didFinish: @escaping (any StreamWork, StreamClosing) -> Void
  ) throws -> ListenJob {
    let limit = limits.maxListenersPerConnection
    guard listeners.count < limit else {
      throw SocketRefusal(
        "\(limit) sockets listen on this connection (max_listeners_per_connection)")
    }
    let job = ListenJob(at: text, link: link, stream: stream, limits: limits) {
      [unowned self] () throws(SocketRefusal) in try takeSlot()
    }
    try job.listen(at: address)
    listeners[ObjectIdentifier(job)] = job
    job.didFinish = { [unowned self] job, closing in
      listeners[ObjectIdentifier(job)] = nil
      didFinish(job, closing)
    }
    return job
  }

  private func add(
    _ job: SocketJob, _ didFinish: @escaping (any StreamWork, StreamClosing) -> Void
  ) -> SocketJob {
    sockets[ObjectIdentifier(job)] = job
    job.didFinish = { [unowned self] job, closing in
      sockets[ObjectIdentifier(job)] = nil
      didFinish(job, closing)
    }
    return job
  }

  private func takeSlot() throws(SocketRefusal) -> SocketSlot {
    try SocketSlot.take(counters, count, limits)
  }

  /// Stops listening: the server accepts nothing new.
  func endListeners() {
    for job in Array(listeners.values) { job.endForShutdown() }
  }

  /// Gives up all sockets.
  func endAll() {
    endListeners()
    for job in Array(sockets.values) { job.endForShutdown() }
  }

  private static func address(of request: SocketRequest) throws -> SocketAddress {
    let address = try SocketAddress(parsing: request.address ?? "")
    // A relative path would depend on the folder in which the server was started.
    if case .unix(let path) = address, !path.hasPrefix("/") {
      throw SocketRefusal("\(address): the path of a socket on the server begins with a slash")
    }
    if case .vsock = address {
      throw SocketRefusal("\(address): only TCP ports and Unix sockets are forwarded")
    }
    return address
  }
}
