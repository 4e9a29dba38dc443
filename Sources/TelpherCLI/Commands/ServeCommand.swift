internal import ArgumentParser
internal import Logging
internal import TelpherServer

/// `telpher serve`
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serves commands and files, in the foreground.",
    discussion: """
      Prints one line 'listening on ADDRESS' for each address, and logs to standard error. SIGTERM \
      or SIGINT lets running commands finish; a second one ends them at once.
      """)

  @Option(
    help: ArgumentHelp(
      "Where to listen: unix:PATH, tcp:HOST:PORT (this machine only) or stdio.",
      discussion: """
        May be repeated. stdio serves one connection on standard input and output. Default: \
        unix:$XDG_RUNTIME_DIR/telpher.sock, else unix:/tmp/telpher-UID/telpher.sock.
        """,
      valueName: "address"),
    transform: ListenAddress.parse)
  var listen: [ListenAddress] = []

  @Option(
    help: ArgumentHelp(
      "The file with the token that TCP clients must know; made if it is not there.",
      discussion:
        "It must be yours, and closed to all others. Default: $TELPHER_TOKEN_FILE, else ~/.config/telpher/token.",
      valueName: "file"),
    completion: .file())
  var tokenFile: String?

  @Option(
    help: ArgumentHelp(
      "The folder that all paths of clients are in, and nothing gets out of; none for no files.",
      discussion: """
        Clients' paths start in it: /x, ~/x and x are its x. It confines what is done with files, not \
        commands, which may do whatever the server's user may: see --no-commands. Default: all files \
        of the user that the server runs as, with relative paths and ~ from that user's home; with \
        --no-commands or --read-only that home is the root.
        """,
      valueName: "dir"),
    completion: .directory, transform: PathArgument.parseOption)
  var root: PathArgument?

  @Flag(help: "Runs no commands for clients, which can only work with files then.")
  var noCommands = false

  @Flag(help: "Lets clients read files only, not store or change any. Runs no commands either.")
  var readOnly = false

  @Option(help: ArgumentHelp("The number of event loops, each a thread.", valueName: "n"))
  var loops = 1

  @Option(
    help: ArgumentHelp(
      "What starts commands: clone (Telpher's own launcher) or uv (the loop library's own way).",
      discussion: """
        clone by default. uv is slower the more memory the server has, and commands get no control \
        groups.
        """,
      valueName: "way"),
    completion: .list(SpawnMethod.allCases.map(\.rawValue)), transform: parseSpawnMethod)
  var spawn: SpawnMethod?

  @Option(help: ArgumentHelp("Connections at once; further ones are refused.", valueName: "n"))
  var maxConnections = ServerConfiguration().maxConnections

  @Option(
    help: ArgumentHelp(
      "Ends the connection of a client that was silent for so long, with its commands.",
      discussion: """
        Also if its process was stopped only, as by Ctrl-Z. Default: never; a client whose process \
        or machine is gone is noticed anyway.
        """,
      valueName: "duration"),
    transform: DurationArgument.parse)
  var clientTimeout: Duration?

  @Option(
    help: ArgumentHelp(
      "What is logged: this level and graver ones.",
      discussion: "One of \(levelNames); info by default.", valueName: "level"),
    completion: .list(Logger.Level.allCases.map(\.rawValue)), transform: parseLevel)
  var logLevel = Logger.Level.info

  func validate() throws {
    guard (1...256).contains(loops) else { throw ValidationError("--loops is from 1 to 256") }
    guard maxConnections > 0 else { throw ValidationError("--max-connections is at least 1") }
    if listen.contains(.stdio) && listen.count > 1 {
      throw ValidationError("--listen stdio serves one connection and stands alone")
    }
  }

  func run() async throws {
    InheritedSignals.setDispositions()
    let logger = EscapingLogHandler.logger(level: logLevel)
    let host = ServerHost(
      backend: CurrentBackend.require(), environment: Environment.current(), tokenFile: tokenFile,
      loops: loops, spawn: spawn, maxConnections: maxConnections, clientTimeout: clientTimeout,
      // A command could change any file.
      runsCommands: !noCommands && !readOnly, isReadOnly: readOnly,
      files: root.map(ServedFiles.init) ?? (noCommands || readOnly ? .home : .all), logger: logger)
    try await host.serve(listen)
  }

  static func parseSpawnMethod(_ text: String) throws -> SpawnMethod {
    guard let method = SpawnMethod(rawValue: text) else {
      throw ValidationError("there is no way '\(text)' to start commands, only clone and uv")
    }
    return method
  }

  private static var levelNames: String {
    Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
  }

  static func parseLevel(_ text: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: text) else {
      throw ValidationError("there is no level '\(text)', only \(levelNames)")
    }
    return level
  }
}
