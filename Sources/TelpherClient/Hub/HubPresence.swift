package import TelpherForward
internal import TelpherText
internal import TelpherTransport
internal import TelpherWire

/// One registration of this process at a hub: connections for its name are passed on to a server of this
/// process. Use it only on the loop's thread.
final class HubPresence: SessionFollower {
  private enum State {
    /// Nothing was sent. Next: `registering`.
    case new
    /// The hub has not answered. Next: `registered`, `ended`.
    case registering(ListenStream)
    /// The hub has registered the name. Next: `ended`.
    case registered(ListenStream)
    /// The registration has ended. Connections that were taken go on. Final.
    case ended(HubPresenceEnd)
  }

  /// The most connections from one hub at a time: as many as a hub by default lets one client have
  /// (`max_sockets_per_connection`). It is this side's own limit, in case the hub has none.
  static let maxConnections = 512
  /// The longest text of a hub about a client that is kept, in bytes: more than an identity and an
  /// address.
  private static let maxPeerLength = 256

  private let name: HubName
  private let connection: Connection
  private let session: ClientSession
  private let admit: (PairedStream) -> Void
  private let didRegister: () -> Void
  private var state = State.new
  private var connections = 0
  private var waiter: WaitingTask<HubPresenceEnd>?

  init(
    _ name: HubName, over connection: Connection, _ session: ClientSession,
    admit: @escaping (PairedStream) -> Void, didRegister: @escaping () -> Void
  ) {
    (self.name, self.connection, self.session) = (name, connection, session)
    (self.admit, self.didRegister) = (admit, didRegister)
  }

  /// Registers the name, and returns when the registration has ended.
  ///
  /// - Throws: nothing: an error is a reason for the end.
  func run() async throws -> HubPresenceEnd {
    begin()
    let end = try await withWaitingTask { (waiter: WaitingTask<HubPresenceEnd>) in
      if case .ended(let end) = state {
        waiter.resume(returning: end)
      } else {
        self.waiter = waiter
      }
    }
    return end
  }

  private func begin() {
    session.add(self)
    guard case .new = state else { return }
    do throws(ClientError) {
      let request = SocketRequest(.listen, address: "\(StreamTarget.hub(name))")
      state = .registering(
        try session.openListener(request) { [self] event in
          switch event {
          case .listening: registered()
          case .accepted(let accepted): take(accepted)
          // The hub refuses the name, or has given it to another server of the same identity.
          case .ended(let error, .refused?), .ended(let error, .failed?):
            finish(.refused(error, wasRegistered: isRegistered))
          case .ended(let error, _): finish(.failed(error, wasRegistered: isRegistered))
          }
        })
    } catch {
      finish(.failed(error, wasRegistered: false))
    }
  }

  private var isRegistered: Bool { if case .registered = state { true } else { false } }

  private func registered() {
    guard case .registering(let stream) = state else { return }
    state = .registered(stream)
    didRegister()
  }

  private func take(_ accepted: ControlMessage.Accepted) {
    // Without an answer the hub tells its client that nothing has taken the connection.
    guard isRegistered, connections < Self.maxConnections else { return }
    let says = ShownText.escaped(String(accepted.peer.prefix(Self.maxPeerLength)))
    let tunnel: HubTunnel
    do throws(ClientError) {
      tunnel = try HubTunnel(
        SocketRequest(accept: accepted.connection), over: session,
        peer: .passedOn("the hub says: \(says)")
      ) { [self] _ in
        connections -= 1
        closeIfUnused()
      }
    } catch {
      return
    }
    connections += 1
    admit(tunnel.stream)
  }

  private func finish(_ end: HubPresenceEnd) {
    switch state {
    case .ended: return
    case .registering(let stream), .registered(let stream):
      session.forgetSocket(stream.stream)
      stream.stop()
    case .new: break
    }
    state = .ended(end)
    session.remove(self)
    waiter?.resume(returning: end)
    waiter = nil
    closeIfUnused()
  }

  /// Closes the connection to the hub after the end of the registration and of the last connection.
  private func closeIfUnused() {
    guard case .ended = state, connections == 0 else { return }
    Task(executorPreference: connection.loop) { [connection] in await connection.close() }
  }

  /// Gives the registration up.
  func leave() { finish(.left) }

  // MARK: SessionFollower

  func serverAsksToLeave() { finish(.askedToLeave) }

  func endWhenIdle(_ error: ClientError) {
    finish(.failed(error, wasRegistered: isRegistered))
  }

  func end(_ error: any Error) {
    let error = error as? ClientError ?? ClientError(.lost, "\(error)")
    finish(.failed(error, wasRegistered: isRegistered))
  }
}

/// Why a registration has ended.
package enum HubPresenceEnd: Sendable {
  /// This process gives it up.
  case left
  /// The hub was replaced by another process, where the name is to be registered again.
  case askedToLeave
  /// The hub refuses the name, or has given it to another server: that does not pass by itself.
  case refused(ClientError, wasRegistered: Bool)
  /// The hub is ending, or the connection to it is lost.
  case failed(ClientError, wasRegistered: Bool)
}

extension Connection {
  /// Registers `name` at the hub that this connection leads to, and lets connections for it in, until the
  /// registration ends or the task is canceled. Connections that were let in go on then, and this
  /// connection closes after the last one.
  ///
  /// - Parameters:
  ///   - admit: called on the loop with each connection, as a stream that TLS is expected on.
  ///   - didRegister: called on the loop when the name is registered.
  package func present(
    as name: HubName, admit: @escaping @Sendable (PairedStream) -> Void,
    didRegister: @escaping @Sendable () -> Void
  ) async throws -> HubPresenceEnd {
    let presence = HubPresence(
      name, over: self, session, admit: admit, didRegister: didRegister)
    nonisolated(unsafe) let canceled = presence
    return try await withTaskCancellationHandler {
      try await self.run(presence)
    } onCancel: { [loop] in
      loop.execute { canceled.leave() }
    }
  }

  /// A method of its own: a closure is isolated to the actor only if it uses the actor.
  private func run(_ presence: HubPresence) async throws -> HubPresenceEnd {
    try await presence.run()
  }
}
