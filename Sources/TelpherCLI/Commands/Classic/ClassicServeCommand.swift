internal import ArgumentParser
internal import Logging
internal import TelpherClassic

/// `telpher classic serve`
struct ClassicServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serves a tutorial's clients, in the foreground.",
    discussion: """
      Prints one line 'listening on ADDRESS' for each address, and logs to standard error. SIGTERM \
      or SIGINT ends it and the commands it runs; a second one ends them without a grace.

      What one read brings is one command, as in the tutorials: two that are sent quickly may be \
      taken for one. With --line, which 'raw' has, each line is one.

      'raw' sends an answer in one piece after the command has exited, standard error first, so that \
      a client that calls recv once for each command stays in step. Output of more than 64 KiB, or \
      of a command that goes on for longer than --pause, is sent before its end.

      'size' sends the answer after the client has acknowledged the size, or after --pause: the \
      clients of some tutorials acknowledge, those of others wait.

      A connection that begins as one of HTTP or TLS is closed, and logged: web pages can send \
      requests to any port of this machine.
      """)

  @Argument(
    help: "\(ClassicDialectArgument.names.joined(separator: ", ")).",
    completion: .list(ClassicDialectArgument.names), transform: ClassicDialectArgument.parse)
  var dialect: ClassicDialect

  @Option(
    help: ArgumentHelp(
      "Where to listen: tcp:HOST:PORT, udp:HOST:PORT or unix:PATH, on this machine only.",
      discussion: "May be repeated. time and chat are spoken on udp, upper, raw and reply on both.",
      valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var listen: [ClassicAddress]

  @Option(
    help: ArgumentHelp("The folder that uploaded files go to.", valueName: "dir"),
    completion: .directory)
  var root: String?

  @Flag(
    help: """
      Lets an uploaded file replace one that is there, and have a name that begins with a dot.
      """)
  var overwrite = false

  @Option(
    help: ArgumentHelp("The text that 'reply' answers every message with.", valueName: "text"))
  var text: String?

  @Option(
    help: ArgumentHelp(
      "How long 'size' waits for an acknowledgement (default: 1s), or 'raw' holds output (5s).",
      valueName: "duration"), transform: DurationArgument.parse)
  var pause: Duration?

  @Option(
    help: ArgumentHelp(
      "The encoding of the text that clients get: gbk, say. Default: UTF-8.",
      discussion:
        "Commands' output is taken for UTF-8 and turned into it. 'iconv -l' lists the names.",
      valueName: "name"))
  var encoding: String?

  @Flag(help: "Takes a command per line ('raw' on tcp and unix).")
  var line = false

  @Flag(
    help: "Starts a server through which anyone on this machine can run commands or store files.")
  var iKnow = false

  @Option(
    help: ArgumentHelp("What is logged: this level and graver ones.", valueName: "level"),
    completion: .list(Logger.Level.allCases.map(\.rawValue)), transform: ServeCommand.parseLevel)
  var logLevel = Logger.Level.notice

  func run() async throws {
    InheritedSignals.setDispositions()
    if dialect == .chat { return try await chat() }
    var options = ClassicServerOptions()
    options.root = root
    options.encoding = encoding
    options.overwrites = overwrite
    options.text = text
    options.pause = pause?.wholeNanoseconds
    options.readsLines = line
    options.environment = Environment.current()
    let logger = EscapingLogHandler.logger(level: logLevel)
    let host = ClassicHost(
      backend: CurrentBackend.require(), dialect: dialect, options: options, logger: logger)
    try await host.serve(at: listen, isAccepted: iKnow)
  }

  /// The operator of a chat needs this process's standard streams.
  private func chat() async throws {
    var command = ClassicChatCommand()
    command.listen = listen.first
    command.friends = nil
    command.encoding = encoding
    guard listen.count == 1 else { throw ValidationError("chat is served at one address") }
    try await command.run()
  }
}
