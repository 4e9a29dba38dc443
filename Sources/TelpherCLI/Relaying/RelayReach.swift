internal import Glibc
internal import TelpherAccess
internal import TelpherClient
internal import TelpherTransport

/// Reaches a server through this user's relay for its address, which is started if none runs.
struct RelayReach {
  let endpoint: Endpoint
  let token: Token?
  let tokenFile: String
  /// The value of `--connect-timeout`.
  let timeout: Duration?
  /// How long the relay keeps its connection after this use.
  let keep: Duration
  /// Whether telpher may be copied to a place that lacks it.
  let install: InstallPolicy
  /// Whether a relay is started if none runs.
  var startsRelay = true
  /// Whether the program that carries the relay's connection may ask on the terminal.
  var asks = true
  /// How to reach the server with TLS; nil if its address is of another kind.
  var tls: TLSSettings?
  let environment: [String: String]
  /// The same with the variables that are not UTF-8.
  let allVariables: [SystemString: SystemString]

  /// Connects.
  ///
  /// - Returns: nil if no relay can be used; the caller then connects by itself.
  /// - Throws: `ClientError` if the server can't be reached.
  func connect(on loop: any EventLoop) async throws -> Connection? {
    let deadline = timeout.map { ContinuousClock.now + $0 }
    let left = { deadline.map { max(.zero, $0 - .now) } }
    let key = RelayKey(
      address: endpoint.description, token: token, tls: tls?.keyParts ?? [],
      environment: allVariables,
      directory: Self.directory, attributes: ProcessAttributes.current)
    guard let place = try? RelayPlace(environment: environment), let path = place.socket(key) else {
      return nil
    }
    switch await connect(path, loop, timeout) {
    case .connected(let connection): return connection
    case .unusable: return nil
    case .missing: break
    }
    guard startsRelay else { return nil }
    // Within a command of a server no relay is started: the server must end all processes of the
    // command, so it would end the relay too.
    guard !ProcessAttributes.isInJob(environment) else { return nil }
    let limit = left() ?? Connection.defaultTimeout
    guard let lock = await RelayLock.take(place.lock(key), within: limit) else {
      guard let timeout, left() == .zero else { return nil }
      throw ClientError(
        .unreachable,
        "another telpher has been connecting to \(endpoint) for more than \(timeout.wholeMilliseconds) ms"
      )
    }
    defer { withExtendedLifetime(lock) {} }
    // Another client may have started it meanwhile.
    switch await connect(path, loop, left()) {
    case .connected(let connection): return connection
    case .unusable: return nil
    case .missing: break
    }
    Self.replace(place.foreignSockets(key))
    return try await start(path, loop, left())
  }

  /// The working directory; empty if it has no path.
  private static var directory: SystemString {
    guard let path = getcwd(nil, 0) else { return "" }
    defer { free(path) }
    return SystemString(Array(UnsafeRawBufferPointer(start: path, count: strlen(path))))
  }

  private enum Attempt {
    case connected(Connection)
    /// No relay listens.
    case missing
    /// The relay has reached its limit of clients, or does not answer.
    case unusable
  }

  private func connect(
    _ path: String, _ loop: any EventLoop, _ timeout: Duration?
  ) async -> Attempt {
    do {
      return .connected(
        try await Connection.connect(
          toRelayAt: path, on: loop, keep: keep, timeout: timeout ?? Connection.defaultTimeout,
          server: endpoint.description))
    } catch let error as ClientError where error.code == .unreachable {
      // If another client starts a relay after this check, the caller finds it: it checks again
      // once it holds the lock.
      return .missing
    } catch {
      guard access(path, F_OK) == 0, RelayPlace.process(listeningAt: path) != nil else {
        return .missing
      }
      return .unusable
    }
  }

  /// - Parameter left: how much of `timeout` is left.
  private func start(
    _ path: String, _ loop: any EventLoop, _ left: Duration?
  ) async throws -> Connection? {
    let settings = RelaySettings(
      address: endpoint.description, socket: path, tokenFile: tokenFile,
      timeoutMS: timeout?.wholeMilliseconds, keepMS: max(1, keep.wholeMilliseconds),
      install: install, asks: asks, tls: tls, environment: ByteVariables(allVariables))
    guard let process = RelayProcess.start(settings, environment: environment) else {
      return nil
    }
    let descriptor = process.channel.descriptor
    let end = left.map { ContinuousClock.now + $0 }
    do {
      let outcome = try await ConnectingSignals.interruptible(on: loop) {
        await process.outcome(within: left, on: loop)
      }
      guard let outcome else { throw noOutcome(isLate: end.map { $0 <= .now } ?? false) }
      if let error = outcome.error { throw error }
    } catch {
      close(descriptor)
      if error is RelayOutcome.OwnFailure { return nil }
      throw error
    }
    return try await Connection.adopt(
      relay: descriptor, on: loop, keep: keep, server: endpoint.description)
  }

  private func noOutcome(isLate: Bool) -> ClientError {
    if isLate, let timeout {
      return ClientError(
        .unreachable, "\(endpoint): no answer within \(timeout.wholeMilliseconds) ms")
    }
    return ClientError(
      .unreachable,
      "the background process that connects to \(endpoint) has ended unexpectedly; --keep 0 connects without it"
    )
  }

  /// Makes the relays at `sockets`, which belong to other builds of this program, accept no further
  /// clients and end when they have none.
  private static func replace(_ sockets: [String]) {
    for path in sockets {
      if let pid = RelayPlace.process(listeningAt: path) {
        kill(pid, SIGTERM)
      } else {
        unlink(path)
      }
    }
  }
}
