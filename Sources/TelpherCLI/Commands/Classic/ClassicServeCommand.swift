internal import ArgumentParser
internal import Logging
internal import TelpherClassic

/// `telpher classic serve`
struct ClassicServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serves a tutorial's clients, in the foreground.",
    discussion: """
      Prints a line 'listening on ADDRESS' for each address, and logs to standard error. SIGTERM or \
      SIGINT ends the server and its commands; a second one kills the commands at once.

      The server takes each read as a command, as in the tutorials: two commands sent quickly may \
      become one. With 'raw --line', each line is a command.

      'raw' sends the answer in one piece after the command has exited, standard error first. So a \
      client that calls recv once for each command stays in step. If the output reaches 64 KiB, or \
      the command still runs --pause after its first output, the answer is sent in pieces.

      'size' sends the answer after the client has acknowledged the size, or after --pause: some \
      tutorials' clients acknowledge, others only wait.

      The server closes and logs connections of HTTP, TLS and some other protocols: web pages can \
      send requests to any port of this machine.
      """)

  @Argument(
    help: "The dialect: \(ClassicDialectArgument.names.joined(separator: ", ")).",
    completion: .list(ClassicDialectArgument.names), transform: ClassicDialectArgument.parse)
  var dialect: ClassicDialect

  @Option(
    help: ArgumentHelp(
      "The address to listen at: tcp:HOST:PORT, udp:HOST:PORT or unix:PATH.",
      discussion: """
        On this machine only. May be repeated. 'time' and 'chat' work on udp; 'upper', 'raw' and \
        'reply' on all kinds; the others on tcp and unix.
        """,
      valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var listen: [ClassicAddress]

  @Option(
    help: ArgumentHelp("The folder for uploaded files.", valueName: "dir"),
    completion: .directory)
  var root: String?

  @Flag(
    help: """
      Lets uploaded files replace existing ones, and have names that begin with a dot.
      """)
  var overwrite = false

  @Option(
    help: ArgumentHelp("The text with which 'reply' answers every message.", valueName: "text"))
  var text: String?

  @Option(
    help: ArgumentHelp(
      "How long 'size' waits for an acknowledgement (default: 1s), or 'raw' holds output (5s).",
      valueName: "duration"), transform: DurationArgument.parse)
  var pause: Duration?

  @Option(
    help: ArgumentHelp(
      "The encoding of the text that clients receive, such as gbk. Default: UTF-8.",
      discussion:
        "The output of commands is converted from UTF-8. 'iconv -l' lists the names.",
      valueName: "name"))
  var encoding: String?

  @Flag(help: "Reads a command per line ('raw' on tcp and unix).")
  var line = false

  @Flag(
    help: "Confirms that anyone on this machine may run commands or store files through the server."
  )
  var iKnow = false

  @Option(
    help: ArgumentHelp("The lowest level that is logged.", valueName: "level"),
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
    options.environment = Environment.all()
    let logger = EscapingLogHandler.logger(level: logLevel)
    let host = ClassicHost(
      backend: CurrentBackend.require(), dialect: dialect, options: options, logger: logger)
    try await host.serve(at: listen, isAccepted: iKnow)
  }

  /// Runs the operator of a chat, which uses standard input and output.
  private func chat() async throws {
    let others = [
      ("--root", root != nil), ("--overwrite", overwrite), ("--text", text != nil),
      ("--pause", pause != nil), ("--line", line),
    ]
    if let (option, _) = others.first(where: { $0.1 }) {
      throw ValidationError("'chat' has no use for \(option)")
    }
    var command = ClassicChatCommand()
    command.listen = listen.first
    command.friends = nil
    command.encoding = encoding
    guard listen.count == 1 else { throw ValidationError("'chat' takes exactly one --listen") }
    try await command.run()
  }
}
