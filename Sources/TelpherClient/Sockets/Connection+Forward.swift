internal import TelpherTransport
internal import TelpherWire

extension Connection {
  /// Forwards connections until the task is canceled: accepts them at one side, connects to the
  /// address at the other side, and passes the bytes both ways.
  ///
  /// Each direction of a connection ends separately, as on a direct connection. If one side breaks,
  /// or the connection to the server is lost, the other side sees a reset (TCP only: a Unix socket
  /// has none and sees an end). Many connections may be open at once.
  ///
  /// A server that was replaced (`telpher serve --replace`) asks its clients to connect again. With
  /// `reconnect` new connections then go to the new server, and those that are open stay with the old
  /// one until they end. A forwarding `fromServer` stays with the old one.
  ///
  /// - Parameters:
  ///   - reconnect: makes another connection to the server, on this connection's loop. It is called
  ///     again some seconds after an error.
  ///   - handle: called on the connection's loop for each event.
  /// - Throws: `ClientError`: `badAddress` if this side can't listen; `unreachable` if the server
  ///   can't; `refused` if the server does not allow it; `lost` and others if the connection to the
  ///   server ends. `CancellationError`. Connections that are open then are reset.
  public func forward(
    _ forwarding: Forwarding,
    reconnect: (@Sendable () async throws -> Connection)? = nil,
    handle: @escaping @Sendable (ForwardEvent) -> Void
  ) async throws {
    // The connection to the server is checked before anything is accepted.
    _ = try await session.hello()
    if forwarding.direction == .toServer, session.supports(WireConstants.socketChecks) {
      let request = SocketRequest(.check, address: "\(forwarding.remote)")
      _ = try await session.answer(to: .socket(request))
    }
    let forwarder = Forwarder(
      forwarding, over: ForwardRoute(self, session), reconnect: reconnect, handle: handle)
    session.add(forwarder)
    defer { forwarder.leave() }
    nonisolated(unsafe) let canceled = forwarder
    try await withTaskCancellationHandler {
      try await self.run(forwarder)
    } onCancel: { [loop] in
      loop.execute { canceled.end(CancellationError()) }
    }
  }

  /// A method of its own: a closure is isolated to the actor only if it uses the actor.
  private func run(_ forwarder: Forwarder) async throws { try await forwarder.run() }

  /// Whether `forwarder` goes on over this connection.
  func carries(_ forwarder: Forwarder) -> Bool { forwarder.isOver(session) }

  /// Carries the new connections of `forwarder` from now on.
  func take(_ forwarder: Forwarder) async throws {
    _ = try await session.hello()
    forwarder.move(to: ForwardRoute(self, session))
  }
}
