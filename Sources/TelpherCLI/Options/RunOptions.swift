internal import ArgumentParser
internal import TelpherClient
internal import TelpherWire

/// The command to run and how to run it: the options that `run` and `on` share.
struct RunOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The working directory of the command.",
      discussion: "Default: yours if you name no server, else the server's own.",
      valueName: "dir"))
  var cwd: String?

  @Option(
    name: .customLong("env"),
    help: ArgumentHelp(
      "Sets a variable in the command's environment. May be repeated.", valueName: "name=value"),
    transform: EnvironmentVariable.parse)
  var variables: [EnvironmentVariable] = []

  @Flag(
    name: .customShort("i"),
    help: "Sends standard input to the command; without it, the command's input is empty.")
  var forwardsInput = false

  @Flag(
    name: [.customShort("t"), .customLong("tty")],
    help: ArgumentHelp(
      "Runs the command on a terminal, connected to yours.",
      discussion: """
        Keys, including Ctrl-C, go to the command; -it does the same. Standard input must be a terminal. \
        At the start of a line, ~. ends telpher and the command, ~d leaves the command running as a \
        durable job ('telpher attach' reconnects to it), and ~? shows the other escapes.
        """))
  var usesTerminal = false

  @Option(
    help: ArgumentHelp(
      "Ends the command after this time: 5 (seconds), 1.5s, 200ms, 2m, 1h.", valueName: "duration"),
    transform: DurationArgument.parse)
  var timeout: Duration?

  @Option(
    help: ArgumentHelp(
      "The time between SIGTERM and SIGKILL when the command is ended; 2s by default.",
      valueName: "duration"),
    transform: DurationArgument.parse)
  var grace: Duration?

  @Option(
    help: ArgumentHelp(
      "How long to read output after the command has exited.",
      discussion: """
        A background process of the command may hold the output open. Default: 500ms; 'forever' \
        waits until every process has closed it.
        """,
      valueName: "duration"),
    transform: DurationArgument.parseOrForever)
  var drain: Duration?

  @OptionGroup(title: "Limits")
  var limits: LimitOptions

  @Flag(help: "Merges standard error into standard output, in the order of writing.")
  var merge = false

  @Flag(
    help: ArgumentHelp(
      "Starts the command as a durable job, prints the job's id and ends.",
      discussion: """
        The job goes on whatever happens to telpher, the connection and the server; its output is \
        kept. See 'telpher jobs', 'attach', 'wait', 'kill' and 'forget'. With -i its standard input \
        stays open for 'telpher attach -i'.
        """))
  var detach = false

  @Flag(
    name: .customLong(ReconnectArgument.flag),
    help: ArgumentHelp(
      "If the connection is lost, reconnects and continues the command; --reconnect=TIME limits how long it tries.",
      discussion: """
        The command becomes a durable job. If the connection is lost, or the server ends, telpher \
        connects again, for 1h by default, and goes on where it stopped, in the input and in both \
        outputs. The job is removed after it has ended. If telpher itself ends, or gives up, the \
        job goes on: see 'telpher jobs'. While the connection is lost, the command can write as \
        much as --journal holds; then it waits. With -t it \
        does not wait, and --journal is 8M by default.
        """))
  var reconnects = false

  /// `--reconnect=TIME`: see `ReconnectArgument`.
  @Option(
    name: .customLong(ReconnectArgument.option), help: .hidden, transform: DurationArgument.parse)
  var patience: Duration?

  @Option(
    help: ArgumentHelp(
      "The name of the job, to use in place of its id. Needs --detach, --reconnect or -t.",
      valueName: "name"),
    transform: JobOptions.parseName)
  var name: String?

  @Option(
    help: ArgumentHelp(
      "The most output of the job that is kept; 64M by default. Needs --detach, --reconnect or -t.",
      discussion: """
        Bytes, or with K, M, G or T (powers of 1024); from 1M to 1T. The limit is disk space. Each \
        piece of output also needs a header, so many small pieces need more space than their \
        bytes.
        """,
      valueName: "size"),
    transform: SizeArgument.parse)
  var journal: UInt64?

  @Option(
    help: ArgumentHelp(
      "What happens when the journal is full: drop-oldest (the default) or block. Needs --detach.",
      discussion: """
        drop-oldest drops the oldest output. block stops reading the command's output until the \
        attached readers ('telpher attach') have read some of it. A reader that has read nothing \
        yet is ignored.
        """,
      valueName: "what"),
    completion: .list(JobOptions.whenFullNames), transform: JobOptions.parseWhenFull)
  var whenFull: RunRequest.Journal.WhenFull?

  @Flag(help: "Runs COMMAND as a line of shell code with /bin/sh; joins several words with spaces.")
  var shell = false

  @Flag(help: "Prints one JSON object with the result and the output, when the command has ended.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Writes the result (without the output) as a JSON object to file descriptor N.",
      valueName: "n"))
  var statusFD: Int32?

  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("The command to run, and its arguments.", valueName: "command"),
    completion: WordCompletion.command)
  var words: [String] = []

  /// Checks that there is a command.
  ///
  /// - Parameters:
  ///   - command: prints its help if that is asked for.
  ///   - example: a complete command line, for messages.
  /// - Throws: `ValidationError`; `CleanExit` for the help.
  func check(in command: some ParsableCommand, example: String) throws {
    // The parser takes an unknown option, and even --help, for the first word of the command.
    if words.first == "--help" || words.first == "-h" { throw CleanExit.helpRequest(command) }
    if let first = words.first, first.hasPrefix("-"), first != "--" {
      throw unknownOption(first, of: type(of: command), unless: "it is the command to run")
    }
    if usesTerminal && json {
      throw ValidationError("--json collects the output and -t shows it: use only one of them")
    }
    if !detach, whenFull != nil { throw ValidationError("--when-full needs --detach") }
    if !detach, !isReconnecting, !usesTerminal, name != nil || journal != nil {
      throw ValidationError("--name and --journal need --detach, --reconnect or -t")
    }
    if isReconnecting, detach {
      throw ValidationError("--reconnect cannot be combined with --detach")
    }
    if detach, usesTerminal || statusFD != nil {
      throw ValidationError("--detach cannot be combined with -t or --status-fd")
    }
    if settings.commandWords.isEmpty {
      throw ValidationError("Missing the command to run, as in '\(example)'")
    }
  }

  /// The values of these options.
  var settings: RunSettings {
    RunSettings(
      cwd: cwd, variables: variables, forwardsInput: forwardsInput,
      usesTerminal: usesTerminal, timeout: timeout, grace: grace, drain: drain,
      limits: limits.limits, merge: merge, shell: shell, json: json, statusFD: statusFD,
      detach: detach, name: name, journal: journal, whenFull: whenFull,
      reconnects: isReconnecting, patience: patience,
      words: words)
  }

  /// Whether to reconnect to the command if the connection is lost.
  private var isReconnecting: Bool { reconnects || patience != nil }
}
