internal import Glibc
public import TelpherAccess
internal import TelpherLink
public import TelpherTransport
public import TelpherWire

/// A connection to a server, on which many commands can run at once. It may be used from any task.
///
/// The connection is an actor on its loop's thread. A task that prefers the loop as its executor
/// (`withTaskExecutorPreference(loop)`) uses it without switching threads.
public actor Connection {
  /// The loop that runs the connection.
  public nonisolated let loop: any EventLoop
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Set once, by `connect` or `adopt`, before they return the connection.
  private var opened: ClientSession?
  let transferGate = TransferGate()
  /// The tunnels through the hub that this connection leads to, and whether it closes after the last one.
  var tunnels = 0
  var closesAfterTunnels = false

  /// The window of the whole connection, in bytes: large enough for many commands at once, because
  /// each command's own window limits the memory that it can use here.
  static let connectionWindow: UInt64 = 256 << 20

  init(loop: any EventLoop) {
    self.loop = loop
  }

  isolated deinit {
    opened?.link.abort()
  }

  var session: ClientSession {
    guard let opened else { preconditionFailure("connect and adopt return only open connections") }
    return opened
  }

  // MARK: Opening

  /// How long a server has by default to accept a connection, and again to answer on it.
  public static let defaultTimeout = Duration.seconds(10)
  /// How long a carrier may take by default to reach its place if this process has a terminal: ssh's
  /// user may have to type a password, and sshd(8) allows 120 s for that (LoginGraceTime).
  static let loginTimeout = Duration.seconds(120)

  /// Connects to a server.
  ///
  /// On a Unix socket this method does not wait for the server's HELLO, so that the first command
  /// can be sent at once. If the server refuses this client, that command throws the error. On TCP
  /// it waits until both sides have proven that they know the token. Through a carrier,
  /// such as ssh, it waits for the server's HELLO, because ssh may ask for a password and may fail
  /// for many reasons.
  ///
  /// The server process on a Unix socket must belong to this user or to root; the kernel reports
  /// its user (SO_PEERCRED, unix(7)). Nothing is sent to any other process.
  ///
  /// - Parameters:
  ///   - token: the server's token, needed for TCP and TLS. The token itself is not sent: each side proves
  ///     that it knows the token, the server first, before any request is sent.
  ///   - hostKey: the fingerprint of the server's host key, needed for TLS, as 'telpher serve' prints
  ///     it: `SHA256:...`. The server must prove that it has the key before anything is sent.
  ///   - trustedUsers: the ids of further users whose servers on Unix sockets are accepted.
  ///   - environment: the whole environment of the carrier: ssh needs HOME, PATH and SSH_AUTH_SOCK.
  ///   - timeout: how long the server has to accept the connection, and again to answer on it; nil
  ///     is `defaultTimeout`. A server that does not answer in time counts as lost. With a carrier
  ///     it limits the time until the server's HELLO, with the user's login. Nil is then 120 s if
  ///     this process has a terminal, because the user may have to type a password, else
  ///     `defaultTimeout`.
  /// - Throws: `ClientError`: `unreachable` if no server answers; `badAddress` if the address is
  ///   invalid; `notAuthenticated` if another user's process answers, if TCP is used without a
  ///   token, or if the proof of either side fails; `refused` if the server has reached a limit.
  ///   `CancellationError` if the task is canceled while a carrier connects; the carrier has then
  ///   ended.
  public static func connect(
    to endpoint: Endpoint, on loop: any EventLoop, token: Token? = nil,
    hostKey: String? = nil, trustedUsers: Set<UInt32> = [], environment: [String: String] = [:],
    timeout: Duration? = nil
  ) async throws -> Connection {
    let connection = Connection(loop: loop)
    switch endpoint {
    case .socket(let address):
      try await connection.open(
        address, token: token, trustedUsers: trustedUsers, timeout: timeout ?? defaultTimeout)
    case .tls(let address):
      guard let hostKey, let token else {
        throw ClientError(
          .notAuthenticated,
          "\(address) can't be used without the fingerprint of the server's host key and its token")
      }
      return try await connect(
        to: address, on: loop, hostKey: HostKeyCheck(fingerprint: hostKey), proof: .token(token),
        timeout: timeout)
    case .hub(let address):
      throw ClientError(
        .badAddress,
        "\(address) can't be used here: a server behind a hub needs an ssh key or a certificate; use the telpher program"
      )
    case .carrier(let carrier):
      let variables = environment.map { (SystemString($0), SystemString($1)) }
      try await connection.open(
        through: carrier.route, Dictionary(uniqueKeysWithValues: variables), timeout: timeout)
    }
    return connection
  }

  /// Creates a connection over open descriptors. The connection owns and closes them.
  ///
  /// - Throws: `ClientError` if the descriptors can't be used.
  public static func adopt(reading input: Int32, writing output: Int32, on loop: any EventLoop)
    async throws -> Connection
  {
    let connection = Connection(loop: loop)
    try await connection.open(input, output)
    return connection
  }

  /// How often to try a server on TCP that refuses the connection because of a limit, and the pause
  /// after the first attempt, in nanoseconds. The pause doubles each time, to 0.3 s in all. A retry
  /// is safe because no request has been sent yet.
  static let attempts = 6
  static let firstPause: UInt64 = 10_000_000

  private func open(
    _ address: SocketAddress, token: Token?, trustedUsers: Set<UInt32>, timeout: Duration
  ) async throws {
    let trust = ServerTrust(trustedUsers: trustedUsers)
    let prover = try trust.prover(token, at: address)
    for attempt in 1... {
      try await open(address, trust, prover, timeout)
      guard prover != nil else { return }
      do {
        _ = try await session.hello()
        return
      } catch  where session.wasRefusedByLimit && attempt < Self.attempts {
        await pause(Self.firstPause << UInt64(attempt - 1))
      }
    }
  }

  func open(
    _ address: SocketAddress, _ trust: ServerTrust, _ prover: TokenProver?, _ timeout: Duration,
    relay: RelayUse? = nil
  ) async throws {
    try await withWaitingTask { (done: WaitingTask<Void>) in
      var isDecided = false
      let timer = loop.schedule(after: Self.nanoseconds(timeout)) {
        isDecided = true
        done.resume(
          throwing: ClientError(
            .unreachable, "connect to \(address): no answer within \(timeout.wholeMilliseconds) ms")
        )
      }
      loop.connect(to: address) { result in
        guard !isDecided else { return (try? result.get())?.close() ?? () }
        timer.cancel()
        switch result {
        case .success(let stream):
          if let refusal = trust.refusal(of: stream.peer, at: address) {
            stream.close()
            return done.resume(throwing: refusal)
          }
          self.start(
            stream, timeout: timeout, isSocket: true, prover: prover, relay: relay)
          done.resume()
        case .failure(let error): done.resume(throwing: Self.error(error))
        }
      }
    }
  }

  func pause(_ nanoseconds: UInt64) async {
    await withCheckedContinuation { done in
      _ = loop.schedule(after: nanoseconds) { done.resume() }
    }
  }

  private func open(_ input: Int32, _ output: Int32) throws {
    do throws(TransportError) {
      start(try loop.adopt(reading: input, writing: output), timeout: Self.defaultTimeout)
    } catch {
      throw Self.error(error)
    }
  }

  /// - Parameters:
  ///   - timeout: how long the server has to send its HELLO and, on TCP, its proof.
  ///   - isSocket: whether the server was running before; otherwise it is being started.
  ///   - waitsForLogin: whether the time begins only with the server's first byte.
  ///   - signatures: the proof by ssh keys over TLS.
  ///   - user: the user in whose authorized_keys the key must be; any if nil.
  ///   - relay: how a relay that leads to the server is used; nil if there is none.
  func start(
    _ stream: any ByteStream, timeout: Duration, isSocket: Bool = false,
    waitsForLogin: Bool = true, prover: TokenProver? = nil, signatures: [String]? = nil,
    user: String? = nil,
    carrier: CarrierProcess? = nil, relay: RelayUse? = nil
  ) {
    var hello = Hello(
      connectionWindow: Self.connectionWindow,
      auth: prover == nil ? signatures.map(Hello.Auth.init) : .fresh())
    hello.features = Session.clientFeatures
    if let user {
      // An older server would take the key for another user.
      (hello.user, hello.must) = (user, ["user"])
    }
    hello.keepMS = (relay?.keep).map { UInt64(max(0, $0.wholeMilliseconds)) }
    hello.answerMS = (relay?.answer).map { UInt64(max(0, $0.wholeMilliseconds)) }
    var configuration = LinkConfiguration()
    // The window is large enough from the beginning.
    configuration.unreadGrowth = 0
    // A server that does not answer counts as lost (see `LinkConfiguration.stoppedAfter`). Through
    // a carrier its HELLO gets more time, because ssh may ask for a password first. A relay may
    // use one.
    configuration.stoppedAfter = configuration.lostAfter
    if carrier != nil || relay != nil {
      // `CarrierLogin` has the limit, which a stop of the whole job does not count against.
      configuration.stoppedBeforeHelloAfter = .max
    }
    configuration.openingLimit = Self.nanoseconds(timeout)
    configuration.openingBeginsWithFirstByte = !isSocket && waitsForLogin
    let link = Link(
      role: .client, stream: stream, loop: loop, hello: hello, prover: prover,
      configuration: configuration)
    // Close at once if the server's proof is wrong.
    link.lingersAfterFault = prover == nil
    let session = ClientSession(link: link, carrier: carrier, relayedServer: relay?.server)
    link.start(delegate: session)
    opened = session
  }

  static func nanoseconds(_ duration: Duration) -> UInt64 {
    UInt64(max(0, duration.wholeMilliseconds)) * 1_000_000
  }

  static func error(_ error: TransportError) -> ClientError {
    let code: ClientError.Code =
      switch error.code {
      case .badAddress: .badAddress
      // EAGAIN: the server's queue of connections is full.
      case .exhausted where error.errno != EAGAIN: .exhausted
      default: .unreachable
      }
    return ClientError(code, error.message)
  }

  // MARK: The server

  /// Whether the server's HELLO has arrived.
  public var hasServerAnswered: Bool { session.link.peerHello != nil }

  /// Waits for the server's HELLO and returns it.
  ///
  /// - Throws: `ClientError` if the server refuses this client or the connection is lost.
  public func serverHello() async throws -> Hello {
    try await session.hello()
  }

  /// Requests information about the server, with its limits and load.
  ///
  /// - Throws: `ClientError`.
  public func info() async throws -> ServerInfo {
    guard let info = try await session.answer(to: .info).info else {
      throw ClientError(.refused, "the server sent no information about itself")
    }
    return info
  }

  /// Sends a PING and waits for its answer.
  ///
  /// - Returns: the round-trip time.
  /// - Throws: `ClientError`.
  public func ping() async throws -> Duration {
    _ = try await session.hello()
    let start = loop.now
    try await session.ping()
    return .nanoseconds(Int64(loop.now - start))
  }

  /// Closes the connection in an orderly way. The server ends the commands that still run on it,
  /// except those with `survivesDisconnect`; calls that wait for them throw.
  public func close() async {
    await session.close()
  }
}
