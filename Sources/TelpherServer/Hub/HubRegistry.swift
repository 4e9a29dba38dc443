internal import Synchronization
internal import TelpherAccess
internal import TelpherForward
internal import TelpherTransport

/// The names that are registered at a hub, of all its loops. Any thread may use it.
final class HubRegistry: Sendable {
  private struct State {
    var names: [HubName: HubDesk] = [:]
    /// How many names each identity has.
    var counts: [Identity: Int] = [:]

    /// Removes a name of `desk`.
    mutating func remove(_ name: HubName, of desk: HubDesk) {
      names[name] = nil
      let left = counts[desk.owner, default: 1] - 1
      counts[desk.owner] = left == 0 ? nil : left
    }
  }

  private let limits: SocketLimits
  private let state = Mutex(State())

  init(_ limits: SocketLimits) { self.limits = limits }

  /// Registers a name.
  ///
  /// - Returns: the older registration of the same identity that it replaces: the caller ends it.
  /// - Throws: `SocketRefusal` if another identity holds the name, or at a limit.
  func register(_ name: HubName, _ desk: HubDesk) throws(SocketRefusal) -> HubDesk? {
    let outcome: Result<HubDesk?, SocketRefusal> = state.withLock { state in
      let old = state.names[name]
      if let old {
        // Not even the hub's owner: a client that knows the name expects the server that it knows.
        guard old.owner == desk.owner else {
          return .failure(SocketRefusal("the name \(name) is held by another client of the hub"))
        }
        state.remove(name, of: old)
      }
      guard state.names.count < limits.maxHubNames else {
        return .failure(
          SocketRefusal("\(limits.maxHubNames) names are registered at this hub (max_hub_names)"))
      }
      guard state.counts[desk.owner, default: 0] < limits.maxHubNamesPerIdentity else {
        return .failure(
          SocketRefusal(
            "you have registered \(limits.maxHubNamesPerIdentity) names (max_hub_names_per_identity)"
          ))
      }
      state.names[name] = desk
      state.counts[desk.owner, default: 0] += 1
      return .success(old)
    }
    return try outcome.get()
  }

  /// Ends a registration, unless a newer one has replaced it.
  func release(_ name: HubName, _ desk: HubDesk) {
    state.withLock { state in
      if state.names[name] === desk { state.remove(name, of: desk) }
    }
  }

  /// The registration of a name; nil if there is none.
  func find(_ name: HubName) -> HubDesk? { state.withLock { $0.names[name] } }
}

/// Reaches a registration from any loop.
final class HubDesk: Sendable {
  /// The identity that has registered.
  let owner: Identity
  let loop: any EventLoop
  /// Used on `loop` only.
  private nonisolated(unsafe) weak var registration: HubRegistration?

  /// - Parameter registration: nil in tests.
  init(of registration: HubRegistration? = nil, owner: Identity, on loop: any EventLoop) {
    (self.registration, self.owner, self.loop) = (registration, owner, loop)
  }

  /// Offers a connection to the registered server.
  func offer(_ offer: HubOffer) {
    loop.execute { [self] in
      if let registration { registration.receive(offer) } else { offer.refuse(HubOffer.gone) }
    }
  }

  /// Ends the registration, because its identity has registered the name again.
  func replace() { loop.execute { [self] in registration?.endReplaced() } }
}

/// A client's connection that waits for the registered server.
struct HubOffer: Sendable {
  /// The end of the connection for the registered server, of the loop of its registration.
  nonisolated(unsafe) let stream: PairedStream
  /// The client, for the registered server.
  let peer: String
  /// Called once, on the loop of the registration, with what becomes of the offer.
  let answer: @Sendable (Result<Void, SocketRefusal>) -> Void

  /// The registration has ended meanwhile.
  static let gone = "the server has left the hub"

  /// Turns the client away.
  func refuse(_ reason: String) {
    stream.close()
    answer(.failure(SocketRefusal(reason)))
  }
}
