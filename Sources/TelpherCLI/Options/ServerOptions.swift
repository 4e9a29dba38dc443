internal import ArgumentParser
internal import TelpherClient

/// Where the server is, and how to be let in.
struct ServerOptions: ParsableArguments {
  @Option(
    name: .customLong("on"),
    help: ArgumentHelp(
      "The server: unix:PATH, tcp:HOST:PORT or ssh://[USER@]HOST[:PORT].",
      discussion: "Default: $TELPHER_ON, else the server at the default socket.",
      valueName: "address"))
  var address: String?

  @Option(
    help: ArgumentHelp(
      "The file with the server's token, for tcp addresses.",
      discussion: "Default: $TELPHER_TOKEN_FILE, else ~/.config/telpher/token.",
      valueName: "file"),
    completion: .file())
  var tokenFile: String?

  @Option(
    name: .customLong("trust-uid"),
    help: ArgumentHelp(
      "A user whose server is accepted on a Unix socket, by its number.",
      discussion:
        "May be repeated. A server must run as you or as root otherwise, or nothing is sent to it.",
      valueName: "uid"))
  var trustedUsers: [UInt32] = []

  @Option(
    help: ArgumentHelp(
      "How long the server may take to answer at first; 10s by default.",
      discussion: "Through ssh: how long ssh may take to connect.", valueName: "duration"),
    transform: DurationArgument.parse)
  var connectTimeout: Duration?

  func validate() throws {
    guard ArgumentText.isPlain(address ?? ""), ArgumentText.isPlain(tokenFile ?? "") else {
      throw ValidationError("--on and --token-file take UTF-8 only")
    }
  }
}
