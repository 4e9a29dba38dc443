internal import TelpherClient
internal import TelpherKeys

/// Which server to use and how to connect to it: the values of `ServerOptions`.
struct ServerSettings: Sendable, Equatable {
  /// The value of `--on`, or the host that a path or `on` names; nil if none is named.
  var address: String?
  /// The value of `--token-file`.
  var tokenFile: String?
  /// The user IDs of `--trust-uid`.
  var trustedUsers: [UInt32] = []
  /// The value of `--connect-timeout`.
  var connectTimeout: Duration?
  /// The value of `--keep`.
  var keep: Duration?
  /// The value of `--install`.
  var install: InstallPolicy?
  /// The value of `--host-key`.
  var hostKey: String?
  /// Whether `--accept-new` is given.
  var acceptsNewKeys = false
  /// The values of `--client-cert` and `--client-key`.
  var certificate: TLSSettings.CertificateFiles?

  /// How long to keep connections if the user does not say it.
  static let defaultKeep = Duration.seconds(60)

  /// How to reach servers with TLS.
  func tls(_ environment: [String: String]) -> TLSSettings {
    TLSSettings(
      hostKey: hostKey, acceptsNewKeys: acceptsNewKeys, certificate: certificate,
      knownHosts: KnownHostsFile.defaultPath(environment: environment))
  }

  /// How long to keep the connection, from the option or the environment; nil if neither says it.
  ///
  /// - Throws: `Failure` if $TELPHER_KEEP is not a time.
  func keep(_ environment: [String: String]) throws(Failure) -> Duration? {
    if let keep { return keep }
    guard let text = environment["TELPHER_KEEP"], !text.isEmpty else { return nil }
    do { return try DurationArgument.parse(text) } catch {
      throw Failure("$TELPHER_KEEP: \(error)")
    }
  }
}
