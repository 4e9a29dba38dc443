internal import TelpherForward
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A stream of a connection to a hub, as the byte stream over which TLS runs. Use it only on the loop's
/// thread.
final class HubTunnel {
  /// The end of the bytes for TLS. Its owner closes it.
  let stream: PairedStream
  /// Why the tunnel has ended; nil while it is open, and after an orderly end.
  private(set) var failure: ClientError?

  /// Opens a tunnel.
  ///
  /// - Parameters:
  ///   - request: `connect` to a name, or `accept` of a connection.
  ///   - peer: the peer at the other end, for the owner of the stream.
  ///   - didEnd: called once at the end.
  /// - Throws: `ClientError` if the connection takes no more streams.
  init(
    _ request: SocketRequest, over session: ClientSession, peer: PeerIdentity,
    didEnd: @escaping (HubTunnel) -> Void
  ) throws(ClientError) {
    let loop = session.link.loop
    let ends = PairedStream.pair((loop, .inherited), (loop, peer))
    stream = ends.second
    // The session has the socket, which keeps this tunnel until its end.
    var keeper: HubTunnel?
    let socket: ClientSocket
    do throws(ClientError) {
      socket = try session.openSocket(request) { _, error in
        guard let tunnel = keeper else { return }
        keeper = nil
        tunnel.failure = error
        didEnd(tunnel)
      }
    } catch {
      ends.first.close()
      ends.second.close()
      throw error
    }
    keeper = self
    socket.attach(ends.first)
  }
}

extension Connection {
  /// Opens a tunnel to the server of this name at the hub that this connection leads to.
  ///
  /// - Throws: `ClientError` if the connection has ended.
  func openTunnel(to name: HubName) throws(ClientError) -> HubTunnel {
    let tunnel = try HubTunnel(
      SocketRequest(.connect, address: "\(StreamTarget.hub(name))"), over: session,
      peer: .passedOn("\(name)")
    ) { [self] _ in
      Task(executorPreference: loop) { [self] in await tunnelDidEnd() }
    }
    tunnels += 1
    return tunnel
  }

  private func tunnelDidEnd() async {
    tunnels -= 1
    if closesAfterTunnels, tunnels == 0 { await close() }
  }

  /// Closes the connection after its last tunnel: it is for nothing else.
  func closeAfterTunnels() async {
    closesAfterTunnels = true
    if tunnels == 0 { await close() }
  }
}
