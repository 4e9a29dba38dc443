internal import Glibc
internal import Synchronization
internal import TelpherAccess
internal import TelpherClient
internal import TelpherKeys
internal import TelpherTLS
internal import TelpherTransport

/// How to reach servers with TLS: the values of options, with absolute paths.
struct TLSSettings: Codable, Sendable, Equatable {
  /// The fingerprint that the server's key must have; nil to look into the known hosts.
  var hostKey: String?
  /// Whether the key of an unknown host is accepted and added to the known hosts.
  var acceptsNewKeys = false
  /// The files with a client's certificate and its private key; nil to prove the token.
  var certificate: CertificateFiles?
  /// How to prove an ssh key; nil to prove the token only.
  var keys: KeySettings?
  /// The file of the known hosts.
  var knownHosts: String

  /// The ssh keys that may be used, with the environment that they need.
  struct KeySettings: Codable, Sendable, Equatable {
    /// The path of the ssh-agent's socket.
    var agent: String?
    /// The value of `--identity`.
    var identity: String?
    /// The folder with the usual keys.
    var folder: String?
    /// Whether the token is tried after the keys.
    var mayUseToken: Bool
  }

  /// The paths of a certificate and of its private key.
  struct CertificateFiles: Codable, Sendable, Equatable {
    var certificate: String
    var key: String
  }

  /// What decides, besides the address, which connection may be used.
  var keyParts: [String] {
    [
      hostKey ?? "", certificate?.certificate ?? "", certificate?.key ?? "", keys?.agent ?? "",
      keys?.identity ?? "", keys?.folder ?? "", knownHosts,
    ]
  }
}

extension TLSSettings.KeySettings {
  /// The keys.
  var ring: KeyRing {
    KeyRing(
      agent: agent, identity: identity,
      usualFiles: folder.map { folder in KeyRing.usualNames.map { "\(folder)/\($0)" } } ?? [],
      environment: Environment.current().map { "\($0)=\($1)" }
        + (agent.map { ["SSH_AUTH_SOCK=\($0)"] } ?? []))
  }
}

/// Connects to a server with TLS.
struct TLSReach {
  /// Where the server is.
  enum Target: Sendable {
    /// It listens at this address.
    case network(TLSAddress)
    /// It is registered at a hub; the function connects to that.
    case hub(HubAddress, connect: @Sendable (any EventLoop) async throws -> Connection)

    /// The server as its host key names it.
    var server: TLSServer {
      switch self {
      case .network(let address): TLSServer(address)
      case .hub(let address, _): TLSServer(address)
      }
    }
  }

  let target: Target
  let settings: TLSSettings
  let tokenFile: String
  let timeout: Duration?
  /// Whether the user may be asked on the terminal.
  var asks = true
  /// What to say about an unknown host key.
  var advice = HostKeyAdvice.server

  /// Connects. On a terminal it asks whether to accept the key of an unknown host.
  ///
  /// - Throws: `ClientError`, `Failure`.
  func connect(on loop: any EventLoop) async throws -> Connection {
    let proof = try proof()
    let hosts = KnownHostCheck(
      target.server, KnownHostsFile(settings.knownHosts), acceptsNew: settings.acceptsNewKeys,
      advice)
    if let fingerprint = settings.hostKey {
      return try await connect(on: loop, hosts.check(for: fingerprint), proof)
    }
    do {
      return try await connect(on: loop, hosts.check, proof)
    } catch {
      guard let key = hosts.unknownKey, asks, await accepts(key) else { throw error }
      return try await connect(on: loop, hosts.accepting(key), proof)
    }
  }

  private func connect(
    on loop: any EventLoop, _ hostKey: HostKeyCheck, _ proof: Connection.Proof
  ) async throws -> Connection {
    switch target {
    case .network(let address):
      return try await Connection.connect(
        to: address, on: loop, hostKey: hostKey, proof: proof, timeout: timeout)
    case .hub(let address, let connect):
      return try await Connection.connect(
        to: address, over: try await connect(loop), hostKey: hostKey, proof: proof,
        timeout: timeout)
    }
  }

  private func proof() throws -> Connection.Proof {
    let chain = try settings.certificate.map { try SmallFile.text($0.certificate) }
    do throws(SecretFile.Failure) {
      guard let files = settings.certificate, let chain else {
        guard let keys = settings.keys else { return .token(try TokenFile(tokenFile).read()) }
        return .keys(
          keys.ring, orToken: keys.mayUseToken ? try? TokenFile(tokenFile).read() : nil)
      }
      return .certificate(
        .init(chain: Array(chain.utf8), key: try SecretFile(files.key).read()))
    } catch {
      throw Failure("\(error)", kind: "not_authenticated")
    }
  }

  /// Asks on the terminal; without one, the answer is no.
  private func accepts(_ key: SSHPublicKey) async -> Bool {
    let number = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
    guard number >= 0 else { return false }
    let answer = await Question(
      Descriptor(number: number, name: "the terminal"),
      "telpher: the host key of \(target.server) is not known here. Its fingerprint is \(key.fingerprint) (ED25519), and 'telpher serve' prints it there. Connect, and remember the key? [y/N] "
    ).answer()
    close(number)
    return ["y", "yes"].contains(answer.lowercased())
  }
}

/// The connections with TLS that this process has made. They are closed in order at its end, so that
/// the server can tell the end from a cut connection (close_notify: RFC 8446, 6.1).
enum TLSConnections {
  private static let opened = Mutex<[Connection]>([])

  /// Adds a connection that lasts until the process ends.
  static func add(_ connection: Connection) { opened.withLock { $0.append(connection) } }

  /// Closes all of them, and waits at most 2 seconds for the servers to do the same.
  static func close() async {
    let connections = opened.withLock { opened in
      defer { opened = [] }
      return opened
    }
    for connection in connections { await connection.close() }
  }
}
