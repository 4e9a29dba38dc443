internal import TelpherAccess
internal import TelpherClient
internal import TelpherTransport

/// Connects to a server of any kind, without a relay of this machine.
struct DirectReach: Sendable {
  var endpoint: Endpoint
  /// How to reach servers with TLS; nil if the endpoint needs none.
  var tls: TLSSettings?
  /// The file with the server's token.
  let tokenFile: String
  /// The value of `--connect-timeout`.
  var timeout: Duration?
  /// Whether telpher may be copied to a place that lacks it.
  var install = InstallPolicy.never
  /// Whether the user may be asked on the terminal.
  var asks = false
  /// Further users whose servers on Unix sockets are accepted.
  var trustedUsers: Set<UInt32> = []
  /// The whole environment of a program that carries a connection.
  let environment: [SystemString: SystemString]
  /// Whether a server that a program starts passes this client on to the user's own server there, which is
  /// a hub.
  var leadsToOwn = false
  /// What to say about an unknown host key.
  var advice = HostKeyAdvice.server

  /// Connects.
  ///
  /// - Throws: `ClientError`, `Failure`.
  func connect(on loop: any EventLoop) async throws -> Connection {
    switch endpoint {
    case .carrier(let carrier) where leadsToOwn:
      return try await Connection.connect(
        through: carrier, on: loop, environment: environment, timeout: timeout, asks: asks,
        leadsToOwn: true)
    case .carrier(let carrier):
      return try await Installer(policy: install, environment: environment, asks: asks)
        .connect(to: carrier, on: loop, timeout: timeout)
    case .tls(let address):
      return try await tlsReach(to: .network(address), tlsSettings()).connect(on: loop)
    case .hub(let address):
      var settings = try tlsSettings()
      // The token is the hub's.
      settings.keys?.mayUseToken = false
      let hub = hubReach(address.hub)
      return try await tlsReach(
        to: .hub(address) { loop in try await hub.connect(on: loop) }, settings
      ).connect(on: loop)
    case .socket(let address):
      var token: Token?
      switch address {
      case .unix: break
      case .tcp(let host, _):
        guard Host.isLoopback(host) else { throw Failure(Loopback.refusal("\(endpoint)")) }
        token = try readToken()
      case .vsock: token = try readToken()
      }
      return try await Connection.connect(
        to: endpoint, on: loop, token: token, trustedUsers: trustedUsers, timeout: timeout)
    }
  }

  /// The way to the hub of a server. A fingerprint that the user has given is that of the server.
  private func hubReach(_ hub: Endpoint) -> DirectReach {
    var reach = self
    reach.endpoint = hub
    reach.tls?.hostKey = nil
    (reach.leadsToOwn, reach.advice) = (true, .hub)
    return reach
  }

  private func tlsSettings() throws(Failure) -> TLSSettings {
    guard let tls else {
      throw Failure("the process that started this one did not send how to reach \(endpoint)")
    }
    return tls
  }

  private func tlsReach(to target: TLSReach.Target, _ settings: TLSSettings) -> TLSReach {
    TLSReach(
      target: target, settings: settings, tokenFile: tokenFile, timeout: timeout, asks: asks,
      advice: advice)
  }

  private func readToken() throws(Failure) -> Token {
    do throws(SecretFile.Failure) { return try TokenFile(tokenFile).read() } catch {
      throw Failure(error.description, kind: "not_authenticated")
    }
  }
}

extension Endpoint {
  /// Whether a program such as ssh carries the connection to it, or to its hub.
  var usesCarrier: Bool {
    switch self {
    case .carrier: true
    case .hub(let address): address.hub.usesCarrier
    case .socket, .tls: false
    }
  }

  /// Whether the server has a host key.
  var hasHostKey: Bool {
    switch self {
    case .tls, .hub: true
    case .socket, .carrier: false
    }
  }
}
