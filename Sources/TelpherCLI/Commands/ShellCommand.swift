internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// `telpher shell`
struct ShellCommand: RunsWords {
  static let configuration = CommandConfiguration(
    commandName: "shell",
    abstract: "Starts your login shell on a server, on a terminal.",
    usage: "telpher shell [OPTIONS] [--] [COMMAND ...]",
    discussion: """
      With COMMAND the login shell runs that line instead, several words joined with spaces, as \
      ssh does. The shell is the one that the server's user has in passwd(5). On a server that you \
      name it starts in that user's home; else in your working directory and with your \
      environment, as for 'run'. 'telpher on HOST' without a command does the same for a host.

      Keys, including Ctrl-C and Ctrl-Z, go to the shell. At the start of a line, ~. ends telpher \
      and the shell, ~ and Ctrl-Z suspend telpher, ~? shows the escapes and ~~ sends one ~. If standard \
      input is not a terminal, the shell gets pipes and reads commands from them. The exit status is that of \
      the shell; see 'telpher run --help'.

      A shell without COMMAND on a terminal is a durable job: it continues if the connection is lost \
      or telpher ends, and 'telpher attach' reconnects to it. ~d ends telpher and leaves the shell \
      running. When the shell ends while telpher is connected to it, the job is removed.
      """)

  @OptionGroup var server: ServerOptions

  @Option(
    help: ArgumentHelp(
      "The working directory of the shell.",
      discussion: "Default: yours if you name no server, else the home of the server's user.",
      valueName: "dir"))
  var cwd: String?

  @Option(
    name: .customLong("env"),
    help: ArgumentHelp(
      "Sets a variable in the shell's environment. May be repeated.", valueName: "name=value"),
    transform: EnvironmentVariable.parse)
  var variables: [EnvironmentVariable] = []

  @Flag(
    name: .customLong(ReconnectArgument.flag),
    help: ArgumentHelp(
      "If the connection is lost, reconnects to the shell; --reconnect=TIME limits how long it tries.",
      discussion: "1h by default. With this option, COMMAND becomes a durable job too."))
  var reconnects = false

  /// `--reconnect=TIME`: see `ReconnectArgument`.
  @Option(
    name: .customLong(ReconnectArgument.option), help: .hidden, transform: DurationArgument.parse)
  var patience: Duration?

  @OptionGroup(title: "Limits")
  var limits: LimitOptions

  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("A line for the login shell.", valueName: "command"))
  var words: [String] = []

  func validate() throws {
    // The parser takes an unknown option, and even --help, for the first word of the command.
    guard let first = words.first, first.hasPrefix("-"), first != "--" else { return }
    if first == "--help" || first == "-h" { throw CleanExit.helpRequest(self) }
    throw unknownOption(first, of: Self.self, unless: "it begins the command")
  }

  func run() async throws {
    var settings = RunSettings(
      cwd: cwd, variables: variables, forwardsInput: true,
      usesTerminal: isatty(STDIN_FILENO) == 1, limits: limits.limits)
    (settings.reconnects, settings.patience) = (reconnects || patience != nil, patience)
    settings.isSession = line == nil
    let status = try await RunInvocation(
      server: server.settings, settings: settings, program: .loginShell(line)
    ).run()
    if status != 0 { throw ExitCode(status) }
  }

  /// The line for the shell; nil for a session.
  private var line: ByteText? {
    let words = words.first == "--" ? Array(words.dropFirst()) : words
    guard !words.isEmpty else { return nil }
    let texts = words.map { ArgumentText.bytes(of: $0) }
    return ByteText(Array(texts.joined(separator: [UInt8(ascii: " ")])))
  }
}
