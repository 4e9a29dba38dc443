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
  let address: TLSAddress
  let settings: TLSSettings
  let tokenFile: String
  let timeout: Duration?
  /// Whether the user may be asked on the terminal.
  var asks = true

  /// Connects. On a terminal it asks whether to accept the key of an unknown host.
  ///
  /// - Throws: `ClientError`, `Failure`.
  func connect(on loop: any EventLoop) async throws -> Connection {
    let proof = try proof()
    let hosts = KnownHostCheck(
      address, KnownHostsFile(settings.knownHosts), acceptsNew: settings.acceptsNewKeys)
    if let fingerprint = settings.hostKey {
      return try await Connection.connect(
        to: address, on: loop, hostKey: hosts.check(for: fingerprint), proof: proof,
        timeout: timeout)
    }
    do {
      return try await Connection.connect(
        to: address, on: loop, hostKey: hosts.check, proof: proof, timeout: timeout)
    } catch {
      guard let key = hosts.unknownKey, asks, await accepts(key) else { throw error }
      return try await Connection.connect(
        to: address, on: loop, hostKey: hosts.accepting(key), proof: proof, timeout: timeout)
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
      "telpher: the host key of \(address) is not known here. Its fingerprint is \(key.fingerprint) (ED25519), and 'telpher serve' prints it there. Connect, and remember the key? [y/N] "
    ).answer()
    close(number)
    return ["y", "yes"].contains(answer.lowercased())
  }
}

/// Looks a server's key up in the known hosts.
final class KnownHostCheck: Sendable {
  private let address: TLSAddress
  private let file: KnownHostsFile
  private let acceptsNew: Bool
  private let unknown = Mutex<SSHPublicKey?>(nil)

  init(_ address: TLSAddress, _ file: KnownHostsFile, acceptsNew: Bool) {
    self.address = address
    self.file = file
    self.acceptsNew = acceptsNew
  }

  /// The key that was refused because the host is unknown.
  var unknownKey: SSHPublicKey? { unknown.withLock { $0 } }

  /// Accepts a key that is known and, if wanted, the key of a host that is not known yet.
  var check: HostKeyCheck {
    HostKeyCheck(
      refusal: { [self] in refusal(of: $0, acceptsNew: acceptsNew) },
      didProve: { [self] in if acceptsNew { remember($0) } })
  }

  /// Accepts only the key with this fingerprint, whether or not the host is known. A key that has
  /// changed or is revoked is refused even so.
  func check(for fingerprint: String) -> HostKeyCheck {
    let given = HostKeyCheck(fingerprint: fingerprint)
    return HostKeyCheck { [self] key in given.refusal(key) ?? refusal(of: key, acceptsNew: true) }
  }

  /// Accepts this key, and adds it to the known hosts.
  func accepting(_ accepted: SSHPublicKey) -> HostKeyCheck {
    HostKeyCheck(
      refusal: { [self] key in
        key == accepted
          ? nil
          : ClientError(
            .notAuthenticated,
            "\(address) has shown a different host key than before: \(key.fingerprint), so nothing was sent to it"
          )
      }, didProve: { [self] in remember($0) })
  }

  private func refusal(of key: SSHPublicKey, acceptsNew: Bool) -> ClientError? {
    let verdict: TelpherKeys.KnownHosts.Verdict
    do throws(KeyError) {
      verdict = try file.read().verdict(on: key, of: address.host, port: address.port)
    } catch {
      return refused("the known hosts can't be used: \(error)")
    }
    switch verdict {
    case .known: return nil
    case .unknown:
      if acceptsNew { return nil }
      unknown.withLock { $0 = key }
      return refused(
        "the host key of \(address) is not known here, so nothing was sent to it. It is \(key.fingerprint) (ED25519); if 'telpher serve' prints the same there, '--accept-new' accepts and remembers it, and '--host-key \(key.fingerprint)' accepts it without remembering"
      )
    case .changed(let entries):
      let known = entries.map { "\($0.key.fingerprint) in line \($0.line)" }
        .joined(separator: ", ")
      return refused(
        "the host key of \(address) has changed, so nothing was sent to it: it is \(key.fingerprint), and \(file.path) has \(known). Another machine may pose as the server. If the server really has a new key, 'telpher keys forget \(address)' removes the old one"
      )
    case .revoked(let line):
      return refused(
        "the host key of \(address), \(key.fingerprint), is revoked by line \(line) of \(file.path), so nothing was sent to it"
      )
    }
  }

  private func refused(_ message: String) -> ClientError { ClientError(.notAuthenticated, message) }

  /// Adds the key of the host, unless it is known already.
  private func remember(_ key: SSHPublicKey) {
    do throws(KeyError) {
      let verdict = try file.read().verdict(on: key, of: address.host, port: address.port)
      guard case .unknown = verdict else { return }
      try file.add(key, of: address.host, port: address.port)
    } catch {
      Descriptor.complain("cannot remember the host key of \(address): \(error)")
    }
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
