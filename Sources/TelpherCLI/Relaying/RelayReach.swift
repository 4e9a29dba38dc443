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
  let environment: [String: String]

  /// Connects.
  ///
  /// - Returns: nil if no relay can be used; the caller then connects by itself.
  /// - Throws: `ClientError` if the server can't be reached.
  func connect(on loop: any EventLoop) async throws -> Connection? {
    let key = RelayKey(
      address: endpoint.description, token: token, environment: environment,
      directory: Self.directory)
    guard let place = try? RelayPlace(environment: environment), let path = place.socket(key) else {
      return nil
    }
    switch await connect(path, loop) {
    case .connected(let connection): return connection
    case .unusable: return nil
    case .missing: break
    }
    let limit = timeout ?? Connection.defaultTimeout
    guard let lock = await RelayLock.take(place.lock(key), within: limit) else { return nil }
    defer { withExtendedLifetime(lock) {} }
    // Another client may have started it meanwhile.
    switch await connect(path, loop) {
    case .connected(let connection): return connection
    case .unusable: return nil
    case .missing: break
    }
    Self.replace(place.foreignSockets(key))
    return try await start(path, loop)
  }

  /// The working directory; empty if it has no path.
  private static var directory: String {
    guard let path = getcwd(nil, 0) else { return "" }
    defer { free(path) }
    return String(cString: path)
  }

  private enum Attempt {
    case connected(Connection)
    /// No relay listens.
    case missing
    /// The relay has as many clients as it takes, or does not answer.
    case unusable
  }

  private func connect(_ path: String, _ loop: any EventLoop) async -> Attempt {
    do {
      return .connected(
        try await Connection.connect(
          toRelayAt: path, on: loop, keep: keep, timeout: timeout ?? Connection.defaultTimeout))
    } catch {
      guard access(path, F_OK) == 0, RelayPlace.process(listeningAt: path) != nil else {
        return .missing
      }
      return .unusable
    }
  }

  private func start(_ path: String, _ loop: any EventLoop) async throws -> Connection? {
    let settings = RelaySettings(
      address: endpoint.description, socket: path, tokenFile: tokenFile,
      timeoutMS: timeout?.wholeMilliseconds, keepMS: max(1, keep.wholeMilliseconds),
      install: install, environment: environment)
    guard let descriptor = RelayProcess.start(settings, environment: environment) else {
      return nil
    }
    guard let outcome = RelayChannel(descriptor: descriptor).receive(RelayOutcome.self) else {
      close(descriptor)
      throw ClientError(
        .unreachable, "the process that connects to \(endpoint) has ended unexpectedly")
    }
    if let code = outcome.code {
      close(descriptor)
      if code == RelayOutcome.ownFailure { return nil }
      throw ClientError(ClientError.Code(description: code), outcome.message)
    }
    return try await Connection.adopt(relay: descriptor, on: loop, keep: keep)
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
