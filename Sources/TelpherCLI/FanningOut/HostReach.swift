internal import TelpherAccess
internal import TelpherClient

/// Connects to the hosts of a fan-out. Nothing asks a question on the terminal: 64 programs would ask
/// at once.
struct HostReach: Sendable {
  let targets: [HostSelection.Target]
  let settings: ServerSettings
  /// How long new connections are kept; nil to use connections that are kept already, but keep no
  /// new ones.
  let keep: Duration?
  let environment: [String: String]
  private let allVariables = Environment.all()

  init(
    _ targets: [HostSelection.Target], _ settings: ServerSettings, environment: [String: String]
  ) throws(Failure) {
    self.targets = targets
    self.settings = settings
    self.environment = environment
    keep = try settings.keep(environment)
  }

  /// Whether a program such as ssh carries the connection to a host.
  func usesCarrier(_ host: Int) -> Bool {
    targets[host].server.endpoint.usesCarrier
  }

  /// Connects to a host and waits until its server answers.
  ///
  /// - Throws: `Failure`, `ClientError`: nothing was run; `CancellationError`.
  func connect(_ host: Int, on loop: any EventLoop) async throws -> Connection {
    let server = targets[host].server
    try settings.checkTLSOptions(for: server.endpoint)
    let connection: Connection
    switch server.endpoint {
    case .carrier(let carrier):
      if let relayed = try await connectThroughRelay(server, on: loop) {
        connection = relayed
      } else {
        connection = try await Installer(
          policy: settings.install == .always ? .always : .never, environment: allVariables,
          asks: false
        ).connect(to: carrier, on: loop, timeout: settings.connectTimeout)
      }
    case .socket(.tcp), .socket(.vsock):
      connection = try await Connection.connect(
        to: loopback(server.endpoint), on: loop,
        token: try ServerReach.readToken(settings.tokenFile, environment),
        timeout: settings.connectTimeout)
    case .socket(.unix), .tls, .hub:
      connection = try await DirectReach(
        endpoint: server.endpoint, tls: settings.tls(environment, for: server.endpoint),
        tokenFile: ServerReach.tokenPath(settings.tokenFile, environment),
        timeout: settings.connectTimeout,
        install: settings.install == .always ? .always : .never,
        trustedUsers: Set(settings.trustedUsers), environment: allVariables
      ).connect(on: loop)
    }
    do {
      _ = try await connection.serverHello()
    } catch let error as ClientError where error.code == .lost {
      throw ClientError(.unreachable, error.message)
    }
    return connection
  }

  /// A socket of this machine.
  ///
  /// - Throws: `Failure` if it is one of TCP on another machine.
  private func loopback(_ endpoint: Endpoint) throws(Failure) -> Endpoint {
    if case .socket(.tcp(let host, _)) = endpoint, !Host.isLoopback(host) {
      throw Failure(Loopback.refusal("\(endpoint)"))
    }
    return endpoint
  }

  private func connectThroughRelay(
    _ server: NamedServer, on loop: any EventLoop
  ) async throws -> Connection? {
    let keep = keep ?? server.keep
    guard keep.map({ $0 > .zero }) ?? true else { return nil }
    return try await RelayReach(
      endpoint: server.endpoint, token: nil,
      tokenFile: ServerReach.tokenPath(settings.tokenFile, environment),
      timeout: settings.connectTimeout, keep: keep ?? ServerSettings.defaultKeep,
      install: settings.install == .always ? .always : .never, startsRelay: keep != nil,
      asks: false,
      environment: environment, allVariables: allVariables
    ).connect(on: loop)
  }
}
