package import TelpherKeys

/// Decides whether a server may be used, by its host key. It is asked during the TLS handshake,
/// before anything is sent to the server.
package struct HostKeyCheck: Sendable {
  /// Returns why the server with this key must not be used; nil if it may.
  package var refusal: @Sendable (SSHPublicKey) -> ClientError?
  /// Called when the server has proven that it has the key.
  package var didProve: @Sendable (SSHPublicKey) -> Void

  /// A check.
  package init(
    refusal: @escaping @Sendable (SSHPublicKey) -> ClientError?,
    didProve: @escaping @Sendable (SSHPublicKey) -> Void = { _ in }
  ) {
    self.refusal = refusal
    self.didProve = didProve
  }

  /// Accepts only the key with this fingerprint, as `ssh-keygen -l` prints it: `SHA256:...`.
  package init(fingerprint: String) {
    self.init { key in
      guard key.fingerprint != fingerprint else { return nil }
      return ClientError(
        .notAuthenticated,
        "the server's host key is \(key.fingerprint), not \(fingerprint) as given, so nothing was sent to it: it may be another server, or one in between"
      )
    }
  }
}
