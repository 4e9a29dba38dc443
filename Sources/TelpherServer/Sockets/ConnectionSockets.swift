internal import TelpherAccess
internal import TelpherForward
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// The sockets that one client has opened through the server. Use it only on its loop's thread.
final class ConnectionSockets {
  /// Whether the server forwards connections.
  private let isAllowed: Bool
  /// Whether clients may register names.
  private let isHub: Bool
  private let limits: SocketLimits
  private let counters: ServerCounters
  private let lookup: HostLookup
  private let registry: HubRegistry
  private let count = SocketCount()
  private var listeners: [ObjectIdentifier: ListenJob] = [:]
  private var registrations: [ObjectIdentifier: HubRegistration] = [:]
  private var sockets: [ObjectIdentifier: SocketJob] = [:]

  init(
    _ configuration: ServerConfiguration, _ counters: ServerCounters, _ lookup: HostLookup,
    _ registry: HubRegistry
  ) {
    // Not the whole configuration, which is long: most connections open no socket.
    isAllowed = configuration.allowsSockets
    isHub = configuration.isHub
    limits = configuration.sockets
    self.registry = registry
    self.counters = counters
    self.lookup = lookup
  }

  /// Checks a request that asks whether the client may connect.
  ///
  /// - Throws: `SocketRefusal`, or `TransportError` if the address is wrong, if it may not.
  func check(_ request: SocketRequest) throws {
    try checkForwarding(try Self.target(of: request))
  }

  private func checkForwarding(_ target: StreamTarget) throws(SocketRefusal) {
    if case .hub = target {
      guard isHub else {
        throw SocketRefusal("this server is no hub (telpher serve --hub)")
      }
      return
    }
    try checkSockets()
  }

  private func checkSockets() throws(SocketRefusal) {
    guard isAllowed else {
      throw SocketRefusal(
        "this server forwards no connections (--no-forward, --no-commands, --read-only or --root)")
    }
  }

  /// Starts the work of a request other than `check`.
  ///
  /// - Parameters:
  ///   - client: the identity that asks, and its address.
  ///   - willStart: called with the work before it can end.
  ///   - didFinish: called with the work at its end, once.
  /// - Throws: `SocketRefusal` if the request is refused; `TransportError` if a socket can't listen.
  ///   Nothing was started then.
  func start(
    _ request: SocketRequest, of client: Identity, link: Link, stream: StreamID,
    willStart: (any StreamWork) -> Void,
    didFinish: @escaping (any StreamWork, StreamClosing) -> Void
  ) throws {
    switch request.operation {
    case .check: preconditionFailure("`check` answers it")
    case .connect:
      let target = try Self.target(of: request)
      try checkForwarding(target)
      let job = add(
        SocketJob(link: link, stream: stream, slot: try takeSlot()), didFinish)
      willStart(job)
      switch target {
      case .socket(let address):
        job.connect(to: address, lookup: lookup, limit: limits.connectTimeout)
      case .hub(let name):
        job.connect(to: name, in: registry, as: "\(client) at \(link.peer)")
      }
    case .listen:
      let target = try Self.target(of: request)
      try checkForwarding(target)
      switch target {
      case .socket(let address):
        willStart(try listen(at: address, request.address ?? "", link, stream, didFinish))
      case .hub(let name):
        try register(name, request.address ?? "", for: client, link, stream, willStart, didFinish)
      }
    case .accept:
      if !isHub { try checkSockets() }
      let name = request.connection ?? ""
      for registration in registrations.values {
        guard let accepted = registration.claim(name) else { continue }
        let job = add(SocketJob(link: link, stream: stream, slot: accepted.slot), didFinish)
        willStart(job)
        return job.open(accepted.stream, at: registration.requested)
      }
      for listener in listeners.values {
        guard let address = listener.address, let accepted = try listener.claim(name) else {
          continue
        }
        let job = add(SocketJob(link: link, stream: stream, slot: accepted.slot), didFinish)
        willStart(job)
        return job.open(accepted.socket, at: "\(address)")
      }
      throw SocketRefusal("there is no such connection: it was taken, or waited for too long")
    }
  }

  /// The address, as the client has written it, of the listening socket that has announced the connection
  /// `name`; nil if none has.
  func listener(of name: String) -> String? {
    listeners.values.first { $0.hasAnnounced(name) }?.requested
      ?? registrations.values.first { $0.hasAnnounced(name) }?.requested
  }

  /// Registers a name at the hub.
  ///
  /// - Throws: `SocketRefusal`; nothing was started.
  private func register(
    _ name: HubName, _ requested: String, for client: Identity, _ link: Link, _ stream: StreamID,
    _ willStart: (any StreamWork) -> Void,
    _ didFinish: @escaping (any StreamWork, StreamClosing) -> Void
  ) throws(SocketRefusal) {
    try checkListeners()
    let job = HubRegistration(
      name, requested: requested, link: link, stream: stream, limits: limits,
      registry: registry
    ) { [unowned self] () throws(SocketRefusal) in try takeSlot() }
    try job.register(HubDesk(of: job, owner: client, on: link.loop))
    registrations[ObjectIdentifier(job)] = job
    job.didFinish = { [unowned self] job, closing in
      registrations[ObjectIdentifier(job)] = nil
      didFinish(job, closing)
    }
    willStart(job)
  }

  private func checkListeners() throws(SocketRefusal) {
    let limit = limits.maxListenersPerConnection
    guard listeners.count + registrations.count < limit else {
      throw SocketRefusal(
        "\(limit) sockets listen on this connection (max_listeners_per_connection)")
    }
  }

  private func listen(
    at address: SocketAddress, _ text: String, _ link: Link, _ stream: StreamID,
    _ didFinish: @escaping (any StreamWork, StreamClosing) -> Void
  ) throws -> ListenJob {
    try checkListeners()
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
    for job in Array(registrations.values) { job.endForShutdown() }
  }

  /// Gives up all sockets.
  func endAll() {
    endListeners()
    for job in Array(sockets.values) { job.endForShutdown() }
  }

  private static func target(of request: SocketRequest) throws -> StreamTarget {
    let target = try StreamTarget(parsing: request.address ?? "")
    guard case .socket(let address) = target else { return target }
    // A relative path would depend on the folder in which the server was started.
    if case .unix(let path) = address, !path.hasPrefix("/") {
      throw SocketRefusal("\(address): the path of a socket on the server begins with a slash")
    }
    if case .vsock = address {
      throw SocketRefusal("\(address): only TCP ports and Unix sockets are forwarded")
    }
    return target
  }
}
