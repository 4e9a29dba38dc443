public import TelpherAccess
internal import TelpherLink
public import TelpherTransport
public import TelpherWire

/// A connection to a server: any number of commands run on it at once. From any task.
///
/// The connection is an actor on its loop's thread. A task that prefers the loop as its executor
/// (`withTaskExecutorPreference(loop)`) works with it without any hop between threads.
public actor Connection {
  /// The loop it lives on.
  public nonisolated let loop: any EventLoop
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Set once, by `connect` or `adopt`, before anyone else has the connection.
  private var opened: ClientSession?
  let transferGate = TransferGate()

  /// What this side grants a server: the windows of many commands at once, since each command's own
  /// window bounds what it can hold here.
  static let connectionWindow: UInt64 = 256 << 20
  /// What one output's window may grow to on a long way: 300 MB/s at 50 ms of distance.
  static let maxWindow: UInt64 = 16 << 20

  private init(loop: any EventLoop) {
    self.loop = loop
  }

  isolated deinit {
    opened?.link.abort()
  }

  var session: ClientSession {
    guard let opened else { preconditionFailure("nobody has a connection before it is open") }
    return opened
  }

  // MARK: Opening

  /// How long a server has by default to take a connection and to answer on it.
  public static let defaultTimeout = Duration.seconds(10)
  /// How long a server at the far end of ssh has at least: a person may have to type a password, for
  /// which sshd(8) leaves 120 s (LoginGraceTime).
  private static let loginTimeout = Duration.seconds(120)

  /// Connects to a server. On a Unix socket it does not wait for the server's word: a command may
  /// follow at once, and an answer that turns this client away comes in that command's place. On TCP
  /// it waits until both sides have proven themselves; through ssh for the server's HELLO, since ssh
  /// may ask for a password and may fail for many reasons.
  ///
  /// The process at the other end of a Unix socket must be this user's or root's, by the word of the
  /// kernel (SO_PEERCRED, unix(7)): another one gets no byte.
  ///
  /// - Parameters:
  ///   - token: the server's token, which TCP needs. It is not sent: each side proves to the other
  ///     that it knows it, the server first, and nothing else is sent before that.
  ///   - trustedUsers: further users whose server on a Unix socket is accepted.
  ///   - environment: the whole environment of ssh, which wants HOME, PATH and SSH_AUTH_SOCK.
  ///   - timeout: how long the server has to take the connection, and again to answer on it. A server
  ///     that does not answer in time counts as lost. Through ssh it holds for ssh's TCP connection.
  /// - Throws: `ClientError` (`unreachable`, `badAddress`) where nobody answers; `notAuthenticated`
  ///   if another user's process answers, if TCP is to be used without a token, or if one side can't
  ///   prove on TCP that it knows it; `refused` if the server there has no place.
  public static func connect(
    to endpoint: Endpoint, on loop: any EventLoop, token: Token? = nil,
    trustedUsers: Set<UInt32> = [], environment: [String: String] = [:],
    timeout: Duration = defaultTimeout
  ) async throws -> Connection {
    let connection = Connection(loop: loop)
    switch endpoint {
    case .socket(let address):
      try await connection.open(
        address, token: token, trustedUsers: trustedUsers, timeout: timeout)
    case .ssh(let user, let host, let port):
      let arguments = Endpoint.sshArguments(user: user, host: host, port: port, timeout: timeout)
      let name = user.map { "\($0)@\(host)" } ?? host
      try await connection.open(
        through: arguments, to: name, port: port, environment, timeout: timeout)
    }
    return connection
  }

  /// A connection over descriptors that are open already, which belong to it from now on.
  ///
  /// - Throws: `ClientError` where they can't be used.
  public static func adopt(reading input: Int32, writing output: Int32, on loop: any EventLoop)
    async throws -> Connection
  {
    let connection = Connection(loop: loop)
    try await connection.open(input, output)
    return connection
  }

  /// How often a server on TCP is asked that has no place for one more stranger, and the pause after
  /// the first time, in nanoseconds, which doubles each time: 0.3 s in all. Others may have taken all
  /// places, and nothing was sent yet that could be done twice.
  private static let attempts = 6
  private static let firstPause: UInt64 = 10_000_000

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

  private func open(
    _ address: SocketAddress, _ trust: ServerTrust, _ prover: TokenProver?, _ timeout: Duration
  ) async throws {
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
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
          self.start(stream, timeout: timeout, isSocket: true, prover: prover)
          done.resume()
        case .failure(let error): done.resume(throwing: Self.error(error))
        }
      }
    }
  }

  private func pause(_ nanoseconds: UInt64) async {
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

  private func open(
    through arguments: [String], to host: String, port: UInt16?, _ environment: [String: String],
    timeout: Duration
  ) async throws {
    // In this process's session, since it may ask for a password on the terminal; in a group of its
    // own, so that Ctrl-C reaches the command through this process and does not cut the connection.
    var request = SpawnRequest(
      arguments: arguments, environment: environment, input: .pipe, error: .inherit,
      tracksTree: false)
    request.leadsGroup = true
    let loan = TerminalLoan()
    var group: Int32?
    defer { loan?.takeBack(from: group) }
    let carrier = try await spawn(request, to: host, port: port)
    let child = carrier.child
    group = child.pid
    loan?.lend(to: child.pid)
    guard let output = child.output, let input = child.input else {
      preconditionFailure("pipes were asked for")
    }
    start(
      JoinedStream(reading: output, writing: input), timeout: timeout,
      carrier: carrier)
    _ = try await session.hello()
  }

  private func spawn(
    _ request: SpawnRequest, to host: String, port: UInt16?
  ) async throws -> Carrier {
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Carrier, any Error>) in
      loop.spawn(request) { result in
        switch result {
        case .success(let child):
          // At once: its exit may be told before this actor goes on. It stays on the loop, which is
          // this actor's executor.
          nonisolated(unsafe) let carrier = Carrier(child, host: host, port: port, on: self.loop)
          done.resume(returning: carrier)
        case .failure(let error):
          done.resume(
            throwing: ClientError(
              .unreachable, "\(error.message) (ssh:// addresses need the program ssh)"))
        }
      }
    }
  }

  /// - Parameters:
  ///   - timeout: how long the server has for its HELLO, and for its proof if one is wanted.
  ///   - isSocket: whether a server was there already; else it is being started.
  private func start(
    _ stream: any ByteStream, timeout: Duration, isSocket: Bool = false,
    prover: TokenProver? = nil, carrier: Carrier? = nil
  ) {
    let hello = Hello(
      connectionWindow: Self.connectionWindow, auth: prover == nil ? nil : .fresh())
    var configuration = LinkConfiguration()
    configuration.maxWindow = Self.maxWindow
    // A server has nothing to do but to answer: see `LinkConfiguration.stoppedAfter`. ssh may have to
    // ask for a password first.
    configuration.stoppedAfter =
      carrier == nil ? configuration.lostAfter : Self.nanoseconds(Self.loginTimeout)
    configuration.openingLimit = Self.nanoseconds(timeout)
    configuration.openingBeginsWithFirstByte = !isSocket
    let link = Link(
      role: .client, stream: stream, loop: loop, hello: hello, prover: prover,
      configuration: configuration)
    // What fails to prove itself is not waited for.
    link.lingersAfterFault = prover == nil
    let session = ClientSession(link: link, carrier: carrier)
    link.start(delegate: session)
    opened = session
  }

  private static func nanoseconds(_ duration: Duration) -> UInt64 {
    UInt64(max(0, duration.wholeMilliseconds)) * 1_000_000
  }

  private static func error(_ error: TransportError) -> ClientError {
    ClientError(error.code == .badAddress ? .badAddress : .unreachable, error.message)
  }

  // MARK: The server

  /// What the server said of itself when the connection was opened; waits for it.
  ///
  /// - Throws: `ClientError` where the server turns this client away, or the connection is lost.
  public func serverHello() async throws -> Hello {
    try await session.hello()
  }

  /// Asks the server about itself.
  ///
  /// - Throws: `ClientError`.
  public func info() async throws -> ServerInfo {
    try await session.info()
  }

  /// Sends a PING and waits for its answer.
  ///
  /// - Returns: the time between the two.
  /// - Throws: `ClientError`.
  public func ping() async throws -> Duration {
    _ = try await session.hello()
    let start = loop.now
    try await session.ping()
    return .nanoseconds(Int64(loop.now - start))
  }

  /// Ends the connection in order. Commands that still run on it are lost, and ended by the server.
  public func close() async {
    await session.close()
  }
}
