package import TelpherLink
package import TelpherTransport
internal import TelpherWire

// Both ends of a relay: a client reaches the server through it, and the relay itself uses a
// connection to the server.
extension Connection {
  /// Connects to a relay that listens at `path`, and waits for its HELLO: a relay that ends at this
  /// moment has then run nothing.
  ///
  /// - Parameter keep: how long the relay keeps its connection to the server after this one.
  /// - Throws: `ClientError`; nothing was run.
  package static func connect(
    toRelayAt path: String, on loop: any EventLoop, keep: Duration, timeout: Duration
  ) async throws -> Connection {
    let connection = Connection(loop: loop)
    try await connection.open(
      .unix(path: path), ServerTrust(trustedUsers: []), nil, timeout, keep: keep)
    let hello = try await connection.serverHello()
    // It refuses this client directly after its HELLO. A client that only asks about it need not be
    // accepted.
    if let relay = hello.relay, relay.clients >= WireConstants.maxTransfers, keep > .zero {
      await connection.close()
      throw ClientError(.refused, "the relay has \(relay.clients) clients")
    }
    return connection
  }

  /// Creates a connection to a relay over an open socket, which it owns and closes, and waits for
  /// the relay's HELLO.
  ///
  /// - Throws: `ClientError`; nothing was run.
  package static func adopt(
    relay descriptor: Int32, on loop: any EventLoop, keep: Duration
  ) async throws -> Connection {
    let connection = Connection(loop: loop)
    try await connection.start(relay: descriptor, keep)
    _ = try await connection.serverHello()
    return connection
  }

  private func start(relay descriptor: Int32, _ keep: Duration) throws(ClientError) {
    do throws(TransportError) {
      start(
        try loop.adopt(reading: descriptor, writing: descriptor), timeout: Self.defaultTimeout,
        keep: keep)
    } catch {
      throw Self.error(error)
    }
  }

  /// Passes the connection to another owner, which sets the link's delegate at once and handles all
  /// streams from now on. This object must be kept, and none of its other methods may be called any
  /// more.
  ///
  /// - Returns: the link; and a function that calls its second argument with what an end of the
  ///   link means for the user, once a process that carries the connection has ended.
  /// - Throws: `ClientError` if the connection has ended.
  package func handOver() throws(ClientError) -> (
    link: Link, explain: (LinkEnd, @escaping (ClientError) -> Void) -> Void
  ) {
    let session = session
    if let ended = session.ended { throw ended }
    return (session.link, { session.explain($0, $1) })
  }
}
