internal import ArgumentParser
internal import Glibc
internal import TelpherClient
internal import TelpherJSON

/// The options that say how to connect to a server, whichever it is.
struct ConnectionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The file with the server's secret token, needed for tcp and tls addresses.",
      discussion:
        "Default: $TELPHER_TOKEN_FILE, else ~/.config/telpher/token. The server creates the file.",
      valueName: "file"),
    completion: .file())
  var tokenFile: String?

  @Option(
    help: ArgumentHelp(
      "For tls addresses: the fingerprint that the server's host key must have, as 'telpher serve' prints it: SHA256:...",
      discussion: """
        Without it, the key must be in ~/.config/telpher/known_hosts. If the host is not there, \
        telpher asks on the terminal whether to accept its key; without a terminal it refuses the key.
        """, valueName: "fingerprint"),
    transform: HostKeyArgument.parse)
  var hostKey: String?

  @Flag(
    name: .customLong("accept-new"),
    help: ArgumentHelp(
      "For tls addresses: accepts the key of a host that is not known yet, and remembers it.",
      discussion: "telpher still refuses a key that differs from the known one."))
  var acceptsNewKeys = false

  @Option(
    help: ArgumentHelp(
      "For tls addresses: authenticates with the ssh key in this file.",
      discussion: """
        A private key, or a public key if your ssh-agent holds the private one. Your agent signs if \
        it has the key; otherwise ssh-keygen does, and may ask for a passphrase. Without this \
        option, telpher tries the keys of your agent and the usual files in ~/.ssh, then the token.
        """, valueName: "file"),
    completion: .file())
  var identity: String?

  @Option(
    help: ArgumentHelp(
      "For tls addresses: authenticates with the certificate in this file (PEM), not the token.",
      discussion: "The server must run with --client-ca. Needs --client-key.", valueName: "file"),
    completion: .file())
  var clientCert: String?

  @Option(
    help: ArgumentHelp(
      "The file with the private key of --client-cert (PEM, without a passphrase).",
      discussion: "The file must be yours and readable only by you.", valueName: "file"),
    completion: .file())
  var clientKey: String?

  @Option(
    name: .customLong("trust-uid"),
    help: ArgumentHelp(
      "Also accepts a server of this user (a numeric ID) on a Unix socket.",
      discussion:
        "May be repeated. Without it, telpher uses only servers that run as you or as root.",
      valueName: "uid"))
  var trustedUsers: [UInt32] = []

  @Option(
    help: ArgumentHelp(
      "The longest time to wait until the server answers; 10s by default.",
      discussion: """
        For ssh and similar programs this includes logging in and copying telpher. The default for \
        them is 120s if you have a terminal, on which ssh may ask for a password, and 10s without \
        one.
        """,
      valueName: "duration"),
    transform: DurationArgument.parsePositive)
  var connectTimeout: Duration?

  @Option(
    help: ArgumentHelp(
      "How long to keep the connection open for later commands; 60s by default.",
      discussion: """
        A background process keeps it (see 'telpher connections'), except on Unix sockets. 0 makes \
        a connection for this command only. Default: $TELPHER_KEEP, else the configuration's 'keep' \
        for the host, else 60s.
        """,
      valueName: "duration"),
    transform: DurationArgument.parse)
  var keep: Duration?

  @Option(
    help: ArgumentHelp(
      "Whether to copy telpher to a place that lacks it: \(Choice<InstallPolicy>.names).",
      discussion: """
        For ssh, docker, podman and kubectl, if the PATH there has no telpher or another version. \
        ask, the default, asks on the terminal; without a terminal it copies nothing. telpher copies \
        the program that $TELPHER_STATIC names, else itself if it is static, as scripts/dist builds \
        it. The copy is in ~/.cache/telpher there, and its SHA-256 is verified before each start. \
        'telpher uninstall' removes it.
        """,
      valueName: "when"),
    completion: .list(InstallPolicy.allCases.map(\.rawValue)),
    transform: Choice<InstallPolicy>.parse)
  var install: InstallPolicy?

  /// The values of these options, with the server that `address` names.
  func settings(address: String?) -> ServerSettings {
    ServerSettings(
      address: address, tokenFile: tokenFile, trustedUsers: trustedUsers,
      connectTimeout: connectTimeout, keep: keep, install: install, hostKey: hostKey,
      acceptsNewKeys: acceptsNewKeys, certificate: certificate,
      identity: identity.map(Self.absolute))
  }

  private var certificate: TLSSettings.CertificateFiles? {
    guard let clientCert, let clientKey else { return nil }
    // A background process in another folder may read them.
    return .init(
      certificate: Self.absolute(clientCert), key: Self.absolute(clientKey))
  }

  private static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return "\(String(cString: folder))/\(path)"
  }

  func validate() throws {
    guard (clientCert == nil) == (clientKey == nil) else {
      throw ValidationError("--client-cert and --client-key need each other")
    }
    guard identity == nil || (clientCert == nil && tokenFile == nil) else {
      throw ValidationError("--identity can't be combined with --client-cert or --token-file")
    }
    guard ArgumentText.isPlain(identity ?? "") else {
      throw ValidationError("The value of --identity must be UTF-8")
    }
    guard hostKey == nil || !acceptsNewKeys else {
      throw ValidationError("--host-key and --accept-new can't be combined")
    }
    guard ArgumentText.isPlain(clientCert ?? ""), ArgumentText.isPlain(clientKey ?? "") else {
      throw ValidationError("The values of --client-cert and --client-key must be UTF-8")
    }
    guard ArgumentText.isPlain(tokenFile ?? "") else {
      throw ValidationError("The value of --token-file must be UTF-8")
    }
  }
}

/// The fingerprint of a host key on the command line.
enum HostKeyArgument {
  /// Reads a fingerprint as `ssh-keygen -l` prints it: `SHA256:` and base64 without padding.
  ///
  /// - Throws: `ValidationError` that says what is expected.
  static func parse(_ text: String) throws -> String {
    let digits = text.dropFirst("SHA256:".count)
    // 32 bytes are 43 digits.
    guard text.hasPrefix("SHA256:"), digits.utf8.count == 43,
      let bytes = Base64.decode(String(digits) + "="), Base64.encode(bytes) == String(digits) + "="
    else {
      throw ValidationError(
        "'\(text)' is not a fingerprint: write SHA256:... as 'telpher serve' prints it")
    }
    return text
  }
}
