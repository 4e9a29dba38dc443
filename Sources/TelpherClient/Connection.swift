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
  /// ssh, where that is what carries the connection.
  private var helper: (any ChildProcess)?

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

  /// Connects to a server. It does not wait for the server's word, except on TCP: a command may follow
  /// at once, and an answer that turns this client away comes in that command's place. On TCP it waits
  /// until both sides have proven themselves.
  ///
  /// The process at the other end of a Unix socket must be this user's or root's, by the word of the
  /// kernel (SO_PEERCRED, unix(7)): another one gets no byte.
  ///
  /// - Parameters:
  ///   - token: the server's token, which TCP needs. It is not sent: each side proves to the other
  ///     that it knows it, the server first, and nothing else is sent before that.
  ///   - trustedUsers: further users whose server on a Unix socket is accepted.
  ///   - environment: the whole environment of ssh, which wants HOME, PATH and SSH_AUTH_SOCK.
  /// - Throws: `ClientError` (`unreachable`, `badAddress`) where nobody answers; `notAuthenticated`
  ///   if another user's process answers, if TCP is to be used without a token, or if one side can't
  ///   prove on TCP that it knows it; `refused` if the server there has no place.
  public static func connect(
    to endpoint: Endpoint, on loop: any EventLoop, token: Token? = nil,
    trustedUsers: Set<UInt32> = [], environment: [String: String] = [:]
  ) async throws -> Connection {
    let connection = Connection(loop: loop)
    switch endpoint {
    case .socket(let address):
      try await connection.open(address, token: token, trustedUsers: trustedUsers)
    case .ssh(let user, let host, let port):
      let arguments = Endpoint.sshArguments(user: user, host: host, port: port)
      try await connection.open(through: arguments, environment)
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
    _ address: SocketAddress, token: Token?, trustedUsers: Set<UInt32>
  ) async throws {
    let trust = ServerTrust(trustedUsers: trustedUsers)
    let prover = try trust.prover(token, at: address)
    for attempt in 1... {
      try await open(address, trust, prover)
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
    _ address: SocketAddress, _ trust: ServerTrust, _ prover: TokenProver?
  ) async throws {
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
      loop.connect(to: address) { result in
        switch result {
        case .success(let stream):
          if let refusal = trust.refusal(of: stream.peer, at: address) {
            stream.close()
            return done.resume(throwing: refusal)
          }
          self.start(stream, isSocket: true, prover: prover)
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
      start(try loop.adopt(reading: input, writing: output))
    } catch {
      throw Self.error(error)
    }
  }

  private func open(through arguments: [String], _ environment: [String: String]) async throws {
    // ssh stays in this process's session: it may ask for a passphrase on its terminal.
    let request = SpawnRequest(
      arguments: arguments, environment: environment, input: .pipe, error: .inherit,
      tracksTree: false)
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
      loop.spawn(request) { result in
        switch result {
        case .success(let child):
          guard let output = child.output, let input = child.input else {
            preconditionFailure("pipes were asked for")
          }
          self.helper = child
          self.start(JoinedStream(reading: output, writing: input))
          done.resume()
        case .failure(let error):
          done.resume(throwing: ClientError(.unreachable, error.message))
        }
      }
    }
  }

  /// - Parameter isSocket: whether a server was there already; else it is being started.
  private func start(
    _ stream: any ByteStream, isSocket: Bool = false, prover: TokenProver? = nil
  ) {
    let hello = Hello(
      connectionWindow: Self.connectionWindow, auth: prover == nil ? nil : .fresh())
    var configuration = LinkConfiguration()
    configuration.maxWindow = Self.maxWindow
    configuration.openingBeginsWithFirstByte = !isSocket
    let link = Link(
      role: .client, stream: stream, loop: loop, hello: hello, prover: prover,
      configuration: configuration)
    // What fails to prove itself is not waited for.
    link.lingersAfterFault = prover == nil
    let session = ClientSession(link: link)
    link.start(delegate: session)
    opened = session
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
