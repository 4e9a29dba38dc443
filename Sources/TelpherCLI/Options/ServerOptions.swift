internal import ArgumentParser
internal import TelpherClient

/// The options that say which server to use and how to connect to it.
struct ServerOptions: ParsableArguments {
  private static let carriers = """
    ssh://[USER@]HOST[:PORT], docker://CONTAINER, podman://CONTAINER, \
    kubectl://[CONTEXT/]NAMESPACE/POD[/CONTAINER], exec:COMMAND ...
    """

  @Option(
    name: .customLong("on"),
    help: ArgumentHelp(
      "The server: the name of a host, unix:PATH, tcp:HOST:PORT, \(Self.carriers).",
      discussion: """
        Default: $TELPHER_ON, else your own 'telpher serve' on this machine. Names are those of \
        your configuration (see 'telpher on --help') and those that ssh knows. ssh, docker, podman \
        and kubectl start the telpher on the PATH at their place. COMMAND is a program and its \
        arguments, whose standard input and output must reach a 'telpher serve --listen stdio'; \
        quotes work as in a shell, and nothing else has a meaning. Three parts after kubectl:// \
        are NAMESPACE/POD/CONTAINER; a context without a container is CONTEXT/NAMESPACE/POD/.
        """,
      valueName: "address"),
    completion: WordCompletion.server)
  var address: String?

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
      discussion:
        "If a program such as ssh reaches the server: with the time that it takes to connect.",
      valueName: "duration"),
    transform: DurationArgument.parse)
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

  /// How long to keep connections if the user does not say it.
  static let defaultKeep = Duration.seconds(60)

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

  func validate() throws {
    guard ArgumentText.isPlain(address ?? ""), ArgumentText.isPlain(tokenFile ?? "") else {
      throw ValidationError("The values of --on and --token-file must be UTF-8")
    }
  }
}

extension ServerOptions {
  /// These options with the server that paths of the form HOST:PATH name.
  ///
  /// - Throws: `ValidationError` if the paths name several hosts, or if --on names a server too.
  func naming(_ paths: [PathArgument]) throws -> ServerOptions {
    guard let first = paths.first(where: { $0.host != nil }), let host = first.host else {
      return self
    }
    if let address {
      throw ValidationError(
        "'\(first)' names the host \(host), and --on names \(address): name only one of them; \(first.advice)"
      )
    }
    if let other = paths.first(where: { $0.host != host }) {
      throw ValidationError(
        other.host == nil
          ? "'\(first)' is on \(host), and '\(other)' names no host: if both are there, write '\(host):\(other)'"
          : "'\(first)' and '\(other)' are on different hosts, and telpher works on one at a time")
    }
    var options = self
    options.address = host
    return options
  }
}
