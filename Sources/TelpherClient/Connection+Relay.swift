package import TelpherLink
package import TelpherTransport
package import TelpherWire

// Both ends of a relay: a client reaches the server through it, and the relay itself uses a
// connection to the server.
extension Connection {
  /// Connects to a relay that listens at `path`, and waits for its HELLO: a relay that ends at this
  /// moment has then run nothing.
  ///
  /// This does not wait for the server. But if the relay hears nothing from the server within
  /// `timeout` after this, requests fail with `lost`.
  ///
  /// - Parameters:
  ///   - keep: how long the relay keeps its connection to the server after this one.
  ///   - server: the address of the server, for messages.
  /// - Throws: `ClientError`, also if the relay accepts no more clients; nothing was run.
  package static func connect(
    toRelayAt path: String, on loop: any EventLoop, keep: Duration, timeout: Duration,
    server: String? = nil
  ) async throws -> Connection {
    let (connection, hello) = try await openRelay(
      path, on: loop, RelayUse(keep: keep, answer: timeout, server: server), timeout)
    if let relay = hello.relay, relay.refuses == true {
      await connection.close()
      throw ClientError(.refused, "the relay has \(relay.clients) clients")
    }
    return connection
  }

  /// Asks the relay that listens at `path` for its HELLO, which it also sends to a client that it
  /// does not accept. That does not count as a use of it.
  ///
  /// - Throws: `ClientError`.
  package static func helloOfRelay(
    at path: String, on loop: any EventLoop, timeout: Duration
  ) async throws -> Hello {
    let (connection, hello) = try await openRelay(
      path, on: loop, RelayUse(keep: .zero), timeout)
    await connection.close()
    return hello
  }

  private static func openRelay(
    _ path: String, on loop: any EventLoop, _ use: RelayUse, _ timeout: Duration
  ) async throws -> (Connection, Hello) {
    let connection = Connection(loop: loop)
    try await connection.open(
      .unix(path: path), ServerTrust(trustedUsers: []), nil, timeout, relay: use)
    return (connection, try await connection.receivedHello())
  }

  /// The server's HELLO, also if the server has ended the connection after it.
  private func receivedHello() async throws -> Hello {
    do {
      return try await session.hello()
    } catch {
      guard let hello = session.link.peerHello else { throw error }
      return hello
    }
  }

  /// Creates a connection to a relay over an open socket, which it owns and closes, and waits for
  /// the relay's HELLO.
  ///
  /// - Throws: `ClientError`; nothing was run.
  package static func adopt(
    relay descriptor: Int32, on loop: any EventLoop, keep: Duration, server: String? = nil
  ) async throws -> Connection {
    let connection = Connection(loop: loop)
    try await connection.start(relay: descriptor, RelayUse(keep: keep, server: server))
    _ = try await connection.serverHello()
    return connection
  }

  private func start(relay descriptor: Int32, _ use: RelayUse) throws(ClientError) {
    do throws(TransportError) {
      start(
        try loop.adopt(reading: descriptor, writing: descriptor), timeout: Self.defaultTimeout,
        relay: use)
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

/// How a client uses the relay that leads to its server.
struct RelayUse {
  /// How long the relay keeps its connection to the server after this one.
  var keep: Duration
  /// How long the relay waits for any bytes from the server; nil for its own limit.
  var answer: Duration?
  /// The address of the server, for messages; nil if it is not known.
  var server: String?
}
