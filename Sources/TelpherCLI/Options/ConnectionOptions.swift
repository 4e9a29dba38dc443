internal import ArgumentParser
internal import TelpherClient

/// The options that say how to connect to a server, whichever it is.
struct ConnectionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The file with the server's secret token, needed for tcp addresses.",
      discussion:
        "Default: $TELPHER_TOKEN_FILE, else ~/.config/telpher/token. The server makes the file.",
      valueName: "file"),
    completion: .file())
  var tokenFile: String?

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
        ask, the default, asks on the terminal; without one it copies nothing. This program is copied \
        if it is static, as scripts/dist builds it, else the one that $TELPHER_STATIC names: into \
        ~/.cache/telpher there, verified by its SHA-256 before each start. 'telpher uninstall' \
        removes it.
        """,
      valueName: "when"),
    completion: .list(InstallPolicy.allCases.map(\.rawValue)),
    transform: Choice<InstallPolicy>.parse)
  var install: InstallPolicy?

  /// The values of these options, with the server that `address` names.
  func settings(address: String?) -> ServerSettings {
    ServerSettings(
      address: address, tokenFile: tokenFile, trustedUsers: trustedUsers,
      connectTimeout: connectTimeout, keep: keep, install: install)
  }

  func validate() throws {
    guard ArgumentText.isPlain(tokenFile ?? "") else {
      throw ValidationError("The value of --token-file must be UTF-8")
    }
  }
}
