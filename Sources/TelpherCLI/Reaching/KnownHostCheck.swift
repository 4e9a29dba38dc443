internal import Synchronization
internal import TelpherClient
internal import TelpherKeys

/// A server with TLS, as the known hosts and messages name it.
struct TLSServer: CustomStringConvertible, Sendable {
  /// Its address.
  let description: String
  /// Its name among the known hosts, with the port.
  let host: String
  let port: UInt16

  /// A server that listens at an address.
  init(_ address: TLSAddress) {
    (description, host, port) = ("\(address)", address.host, address.port)
  }

  /// A server that is registered at a hub.
  init(_ address: HubAddress) {
    // With ssh's port a name stands for itself.
    (description, host, port) = ("\(address)", address.knownHost, 22)
  }
}

/// What the user can do about an unknown host key.
enum HostKeyAdvice: Sendable {
  /// It is that of the server that the user names.
  case server
  /// It is that of the hub before it.
  case hub
  /// It is that of the hub that a server dials.
  case dialedHub

  fileprivate func text(_ key: SSHPublicKey) -> String {
    switch self {
    case .server:
      "'--accept-new' accepts and remembers it, and '--host-key \(key.fingerprint)' accepts it without remembering"
    case .hub: "'--accept-new' accepts and remembers it"
    case .dialedHub: "'--dial-host-key \(key.fingerprint)' accepts it"
    }
  }
}

/// Looks a server's key up in the known hosts.
final class KnownHostCheck: Sendable {
  private let server: TLSServer
  private let file: KnownHostsFile
  private let acceptsNew: Bool
  private let advice: HostKeyAdvice
  private let unknown = Mutex<SSHPublicKey?>(nil)

  init(
    _ server: TLSServer, _ file: KnownHostsFile, acceptsNew: Bool, _ advice: HostKeyAdvice
  ) {
    self.advice = advice
    self.server = server
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
            "\(server) has shown a different host key than before: \(key.fingerprint), so nothing was sent to it"
          )
      }, didProve: { [self] in remember($0) })
  }

  private func refusal(of key: SSHPublicKey, acceptsNew: Bool) -> ClientError? {
    let verdict: TelpherKeys.KnownHosts.Verdict
    do throws(KeyError) {
      verdict = try file.read().verdict(on: key, of: server.host, port: server.port)
    } catch {
      return refused("the known hosts can't be used: \(error)")
    }
    switch verdict {
    case .known: return nil
    case .unknown:
      if acceptsNew { return nil }
      unknown.withLock { $0 = key }
      return refused(
        "the host key of \(server) is not known here, so nothing was sent to it. It is \(key.fingerprint) (ED25519); if 'telpher serve' prints the same there, \(advice.text(key))"
      )
    case .changed(let entries):
      let known = entries.map { "\($0.key.fingerprint) in line \($0.line)" }
        .joined(separator: ", ")
      return refused(
        "the host key of \(server) has changed, so nothing was sent to it: it is \(key.fingerprint), and \(file.path) has \(known). Another machine may pose as the server. If the server really has a new key, 'telpher keys forget \(server)' removes the old one"
      )
    case .revoked(let line):
      return refused(
        "the host key of \(server), \(key.fingerprint), is revoked by line \(line) of \(file.path), so nothing was sent to it"
      )
    }
  }

  private func refused(_ message: String) -> ClientError { ClientError(.notAuthenticated, message) }

  /// Adds the key of the host, unless it is known already.
  private func remember(_ key: SSHPublicKey) {
    do throws(KeyError) {
      let verdict = try file.read().verdict(on: key, of: server.host, port: server.port)
      guard case .unknown = verdict else { return }
      try file.add(key, of: server.host, port: server.port)
    } catch {
      Descriptor.complain("cannot remember the host key of \(server): \(error)")
    }
  }
}
