internal import Logging
internal import TelpherTLS
internal import TelpherText
internal import TelpherTransport

/// A connection whose TLS handshake is under way: a stranger, which has a place among the others and
/// `ServerConfiguration.helloTimeout` for the handshake.
final class TLSArrival {
  private let stream: TLSStream
  private unowned let server: ServerCore
  private let entrance: ServerCore.Entrance
  private let source: String
  private var timer: (any LoopTimer)?

  init(
    _ stream: TLSStream, from source: String, at entrance: ServerCore.Entrance,
    server: ServerCore
  ) {
    self.stream = stream
    self.source = source
    self.entrance = entrance
    self.server = server
  }

  var peer: PeerIdentity { stream.peer }

  /// Whether the peer has sent bytes that were not read yet.
  var hasUnreadBytes: Bool { stream.unreadBytes > 0 }

  func start() {
    timer = server.loop.schedule(after: server.configuration.helloTimeout) { [unowned self] in
      record("the TLS handshake was not complete in time")
      end(.tookTooLong)
    }
    stream.onHandshake = { [unowned self] in didFinish($0) }
    stream.startHandshake()
  }

  /// Ends the connection.
  ///
  /// - Parameter offense: for what the peer's address is penalized; nil if this side is the reason.
  func end(_ offense: SourcePenalties.Offense?) {
    if let offense { server.penalize(stream.peer, for: offense) }
    leave()
    stream.close()
  }

  private func leave() {
    timer?.cancel()
    server.forget(self)
  }

  private func didFinish(_ result: Result<TLSAgreement, TransportError>) {
    switch result {
    case .failure(let error):
      record(error.message)
      end(.left)
    case .success(let agreement):
      guard let binding = stream.channelBinding else {
        preconditionFailure("the handshake is complete")
      }
      leave()
      server.log(agreement, of: stream.peer)
      let decision = server.access.decide(over: binding, agreement, source: source)
      if case .known = decision { entrance.pace.didAuthenticate() }
      server.admit(stream, decision, at: entrance, hasWaited: true)
    }
  }

  private func record(_ why: String) {
    server.refusals.record(
      "refused a client", Refusal(peer: stream.peer, why: why, tried: stream.triedNames))
  }
}

extension TLSStream {
  /// The names in a certificate that was refused, for a log.
  var triedNames: [String] { shownNames.map { ShownText.escaped($0) } }
}

extension ServerCore {
  /// Begins the TLS handshake with a new peer.
  func greet(_ lower: any ByteStream, at entrance: Entrance, _ door: TLSDoor) {
    let source: String
    var isPenalized = false
    switch lower.peer {
    case .network(let address, let isLoopback):
      source = address
      isPenalized =
        !isLoopback && counters.penalties.withLock { $0.isPenalized(address, at: loop.now) }
    // The hub could give any address, so none has a penalty.
    case .passedOn(let text): source = text
    case .user, .vsock, .inherited:
      preconditionFailure("TLS listens only at TCP addresses and behind hubs")
    }
    if isPenalized {
      refusals.record(
        "refused a client",
        Refusal(
          peer: lower.peer, why: "too many of its connections have failed to authenticate"))
      // The alert tells the client the reason, and needs no handshake.
      TLSAlert.accessDeniedRecord.withUnsafeBytes { _ = lower.write($0, nil) }
      return lower.close()
    }
    let stream = TLSStream(over: lower, door.context, on: loop, memory: tlsMemory)
    let arrival = TLSArrival(stream, from: source, at: entrance, server: self)
    arrivals[ObjectIdentifier(arrival)] = arrival
    count(strangerAt: entrance)
    let evicted = place(ObjectIdentifier(arrival), from: source, at: entrance)
    arrival.start()
    if let evicted { evict(evicted) }
  }

  /// Removes an arrival that has ended or has become a connection.
  func forget(_ arrival: TLSArrival) {
    strangers.remove(ObjectIdentifier(arrival))
    arrivals[ObjectIdentifier(arrival)] = nil
    checkIdle()
  }

  /// Adds a penalty of a peer that has not authenticated.
  func penalize(_ peer: PeerIdentity, for offense: SourcePenalties.Offense) {
    guard case .network(let source, isLoopback: false) = peer else { return }
    counters.penalties.withLock { $0.add(offense, of: source, at: loop.now) }
  }

  /// Logs what a handshake has agreed on.
  func log(_ agreement: TLSAgreement, of peer: PeerIdentity) {
    logger.debug(
      "TLS",
      metadata: [
        "peer": "\(peer)", "cipher": "\(agreement.cipher)", "group": "\(agreement.group)",
        "name": "\(agreement.peerName ?? "")",
      ])
  }
}
