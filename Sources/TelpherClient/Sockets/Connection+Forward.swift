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
  /// - Parameter handle: called on the connection's loop for each event.
  /// - Throws: `ClientError`: `badAddress` if this side can't listen; `unreachable` if the server
  ///   can't; `refused` if the server does not allow it; `lost` and others if the connection to the
  ///   server ends. `CancellationError`. Connections that are open then are reset.
  public func forward(
    _ forwarding: Forwarding, handle: @escaping @Sendable (ForwardEvent) -> Void
  ) async throws {
    // The connection to the server is checked before anything is accepted.
    _ = try await session.hello()
    if forwarding.direction == .toServer, session.supports(WireConstants.socketChecks) {
      let request = SocketRequest(.check, address: "\(forwarding.remote)")
      _ = try await session.answer(to: .socket(request))
    }
    let forwarder = Forwarder(forwarding, session: session, handle: handle)
    session.add(forwarder)
    defer { session.remove(forwarder) }
    nonisolated(unsafe) let canceled = forwarder
    try await withTaskCancellationHandler {
      try await self.run(forwarder)
    } onCancel: { [loop] in
      loop.execute { canceled.end(CancellationError()) }
    }
  }

  /// A method of its own: a closure is isolated to the actor only if it uses the actor.
  private func run(_ forwarder: Forwarder) async throws { try await forwarder.run() }
}
