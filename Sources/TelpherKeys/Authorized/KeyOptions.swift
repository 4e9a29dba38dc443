/// What a line of an authorized_keys file restricts its key to (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
package struct KeyOptions: Sendable, Equatable {
  /// The addresses from which the key may be used; nil for any.
  package var sources: SourceList?
  /// When the key expires, in seconds since 1970; nil for never.
  package var expiresAt: Int64?
  /// Whether a security key must have been touched.
  package var requiresTouch = true
  /// Whether a security key must have checked its user by a PIN or a fingerprint.
  package var requiresVerification = false
  /// Whether commands may have a terminal.
  package var allowsTerminal = true
  /// Whether connections may be forwarded in either direction.
  package var allowsForwarding = true
  /// The addresses to which connections may be made; nil for any.
  package var opens: [ForwardRule]?
  /// The addresses at which the client may listen; nil for any.
  package var listens: [ForwardRule]?
  /// The only command, a line for the user's shell; nil if the client chooses.
  package var command: String?

  /// No restrictions.
  package init() {}

  /// A host and a port of `permitopen` or `permitlisten`.
  package struct ForwardRule: Sendable, Equatable {
    /// The host; `*` is any.
    package let host: String
    /// The port; nil for any.
    package let port: UInt16?

    /// Whether it is exactly this host, or the rule is for any.
    package func allowsOpen(_ host: String, _ port: UInt16) -> Bool {
      (self.port == nil || self.port == port)
        && (self.host == "*" || self.host.utf8.elementsEqual(host.utf8))
    }

    /// Whether the rule's host, a pattern, matches this one.
    package func allowsListen(_ host: String, _ port: UInt16) -> Bool {
      (self.port == nil || self.port == port) && NamePattern(self.host).matches(host)
    }
  }
}
