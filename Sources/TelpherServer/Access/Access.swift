internal import Glibc
internal import TelpherAccess
internal import TelpherKeys
internal import TelpherPolicy
internal import TelpherTLS
internal import TelpherTransport
internal import TelpherWire

/// Decides which peers may use this server, before it reads any of their bytes. The decision uses
/// only what the kernel reports about the peer.
struct Access: Sendable {
  /// The token of TCP and vsock clients, if they may connect.
  let tokens: TokenSource?
  /// Whether the token is a proof over TLS too.
  let takesTokenOverTLS: Bool

  /// The ssh keys whose holders may connect over TLS; nil for none.
  let keys: AuthorizedKeysFile?

  /// The keys of the system's users, and the policy that decides whether they count.
  var users: (keys: UserKeyFiles, policy: PolicySource)?

  /// Says which other users of the machine may connect; nil if none may.
  let policy: PolicySource?

  /// What a server with this configuration takes.
  init(_ configuration: ServerConfiguration) {
    tokens = configuration.tokens
    takesTokenOverTLS = configuration.takesTokenOverTLS
    policy = configuration.policy
    keys = configuration.keys
    if let keys = configuration.userKeys, let policy = configuration.policy {
      users = (keys, policy)
    }
  }

  /// What the server does with a new connection.
  enum Decision {
    /// Accept it: the kernel or its certificate says who it is.
    case known(Client)
    /// Treat it as a stranger until it proves that it knows the token, or that it has an ssh key. At
    /// least one of both is there.
    case mustProve(TokenProver?, KeyCheck?, source: String)
    /// Refuse it with this error. `cause` goes only to the server's log.
    case refused(WireError, cause: String?)
  }

  /// Decides about a new connection from `peer`.
  ///
  /// - Parameter address: the address of the listener that accepted it without TLS; nil if it runs
  ///   over descriptors that the server inherited.
  func decide(_ peer: PeerIdentity, at address: SocketAddress?) -> Decision {
    switch peer {
    case .inherited: return .known(.owner)
    case .user(let uid, _):
      guard uid == geteuid() || uid == 0 else {
        if let policy, policy.current.admits(user: uid) {
          return .known(Client(identity: .user(uid), rights: .all))
        }
        return refusal(
          "user \(uid) may not use this server, which belongs to user \(geteuid())")
      }
      return .known(.owner)
    case .network(let source, let isLoopback):
      guard isLoopback else {
        return refusal(
          "connections from \(source) are refused: TCP is not encrypted and serves this machine only; use ssh://HOST instead"
        )
      }
      return proof(at: address, of: source)
    case .vsock(_, let reached):
      // The listener may be bound to all CIDs of this machine; the client's proof contains the one
      // that it used.
      guard case .vsock(_, let port)? = address else { return proof(at: nil, of: "\(peer)") }
      return proof(at: .vsock(reached, port: port), of: "\(peer)")
    case .passedOn:
      return refusal("a client whose bytes are passed on must use TLS")
    }
  }

  /// Lets a client prove that it knows the token, at the address that it has connected to.
  private func proof(at address: SocketAddress?, of source: String) -> Decision {
    guard let tokens, let address else {
      return refusal("this server accepts no TCP or vsock clients")
    }
    do throws(SecretFile.Failure) {
      return .mustProve(TokenProver(try tokens.current(), at: address), nil, source: source)
    } catch {
      return refusal("this server can't read its token; its log says why", cause: "\(error)")
    }
  }

  /// Decides about a connection over TLS whose handshake is complete. A client whose certificate was
  /// verified in the handshake is known; another one must prove that it has an ssh key or knows the
  /// token.
  func decide(
    over binding: ChannelBinding, _ agreement: TLSAgreement, source: String
  ) -> Decision {
    if agreement.hasPeerCertificate {
      guard let name = agreement.peerName else {
        return refusal("the client's certificate has neither a URI nor a DNS name")
      }
      return .known(Client(identity: .certificate(name), rights: .all))
    }
    let users = users.flatMap { $0.policy.current.policy.usesKeysOfUsers ? $0.keys : nil }
    let check =
      keys == nil && users == nil
      ? nil : KeyCheck(keys, users: users, binding: binding.bytes, source: source)
    do throws(SecretFile.Failure) {
      // If the token can't be read, clients with an ssh key can still connect.
      let tokens = takesTokenOverTLS ? tokens : nil
      let token = check == nil ? try tokens?.current() : try? tokens?.current()
      guard token != nil || check != nil else {
        return refusal("this server accepts only clients with a certificate (--client-cert)")
      }
      return .mustProve(
        token.map { TokenProver($0, channelBinding: binding.bytes) }, check, source: source)
    } catch {
      return refusal("this server can't read its token; its log says why", cause: "\(error)")
    }
  }

  private func refusal(_ message: String, cause: String? = nil) -> Decision {
    .refused(WireError(.notAuthenticated, message), cause: cause)
  }
}
