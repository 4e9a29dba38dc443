internal import ArgumentParser
internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// `telpher run`
struct RunCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Runs a command on a server and prints its output.",
    usage: "telpher run [OPTIONS] [--] COMMAND [ARG ...]",
    discussion: """
      Everything after COMMAND is passed to the command, including options. Without --on and \
      $TELPHER_ON, telpher uses your running 'telpher serve', or else starts a temporary server \
      for this command; in both cases the command gets your working directory and your \
      environment. A server that you name runs the command in the server's own folder and \
      environment; --cwd and --env change them.

      The exit status is that of the command; 128 + n if signal n ended the command; 124 if the \
      command reached its --timeout; 125 if telpher failed; 126 if the command exists but cannot \
      be executed; 127 if the command was not found. When telpher itself sets one of the last \
      four, a line on standard error gives the reason; --json and --status-fd say whether the \
      status comes from the command or from telpher.

      telpher sends SIGINT (Ctrl-C), SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 on to the \
      command. A second SIGINT, SIGTERM, SIGHUP or SIGQUIT, or the first if the server has not \
      answered yet, ends telpher at once; the server then ends the command.
      """)

  @OptionGroup var server: ServerOptions

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

  @Flag(help: "Merges standard error into standard output, in the order of writing.")
  var merge = false

  @Flag(help: "Runs COMMAND as a line of shell code, by /bin/sh; joins several words with spaces.")
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
    help: ArgumentHelp("The command to run, and its arguments.", valueName: "command"))
  var words: [String] = []

  func validate() throws {
    // The parser takes an unknown option, and even --help, for the first word of the command.
    if words.first == "--help" || words.first == "-h" { throw CleanExit.helpRequest(self) }
    if let first = words.first, first.hasPrefix("-"), first != "--" {
      throw ValidationError(
        "Unknown option '\(first)'; if it is the command to run, write '-- \(first)'")
    }
    if commandWords.isEmpty {
      throw ValidationError("Missing the command to run, as in 'telpher run -- ls -l'")
    }
    for text in [server.address, server.tokenFile] where text.map(ArgumentText.isPlain) == false {
      throw ValidationError("'\(text ?? "")' is not UTF-8; --on and --token-file accept only UTF-8")
    }
  }

  func run() async throws {
    let statusFile = try statusFD.map { number throws(Failure) in try StatusFile(number) }
    let outputs =
      json ? (MemorySink(name: "standard output"), MemorySink(name: "standard error")) : nil
    let outcome = await perform(
      output: outputs?.0 ?? DescriptorSink(.output), error: outputs?.1 ?? DescriptorSink(.error),
      statusFile)
    let status = ExitStatus.status(for: outcome)
    if let outputs {
      let (output, error) = await (outputs.0.bytes, outputs.1.bytes)
      try JSONText.print(
        RunReport(outcome: outcome, output: output, error: error, status: status))
    } else {
      if let message = ExitStatus.explanation(of: outcome) { Descriptor.complain(message) }
      if case .success(let result) = outcome, result.details.pipeHeld == true {
        Descriptor.complain(ExitStatus.heldOutput)
      }
    }
    try statusFile?.write(RunReport(outcome: outcome, status: status))
    if status != 0 { throw ExitCode(status) }
  }

  private var commandWords: [String] { words.first == "--" ? Array(words.dropFirst()) : words }

  private var command: Command {
    let words = commandWords.map { ByteText(ArgumentText.bytes(of: $0)) }
    let space = [UInt8(ascii: " ")]
    var command =
      shell
      ? Command(shell: ByteText(Array(words.map(\.bytes).joined(separator: space))))
      : Command(arguments: words)
    command.directory = cwd.map { ByteText(ArgumentText.bytes(of: $0)) }
    command.environment = ownVariables
    command.deadline = timeout
    command.grace = grace
    command.drain = drain
    command.mergesErrorIntoOutput = merge
    return command
  }

  private var ownVariables: [String: ByteText?] {
    Dictionary(variables.map { ($0.name, $0.value) }) { $1 }
  }

  /// Gives the command this process's working directory and environment: the user named no server.
  private func useLocalSurroundings(_ command: inout Command, _ place: ServerReach.Place) throws {
    let absolute = cwd?.hasPrefix("/") == true
    if !absolute { command.directory = try LocalSurroundings().resolve(command.directory) }
    // A temporary server has inherited this environment already.
    guard place == .byDefault else { return }
    let (variables, unsendable) = LocalSurroundings.environment()
    for name in unsendable {
      Descriptor.complain("the variable '\(name)' is not passed on: its name is not UTF-8")
    }
    command.inheritsServerEnvironment = false
    command.environment = variables.merging(ownVariables) { $1 }
  }

  private func perform(
    output: any OutputSink, error: any OutputSink, _ statusFile: StatusFile?
  ) async -> Result<CommandResult, Failure> {
    do {
      let reached = try await ServerReach(options: server).connect(embeddedServer: .allowed)
      var command = command
      if reached.place != .named { try useLocalSurroundings(&command, reached.place) }
      let run = CommandRun(
        command: command, forwardsInput: forwardsInput, output: output, error: error,
        giveUp: { [json] in Self.giveUp($0, hasAnswered: $1, printsReport: json, statusFile) })
      return .success(
        try await withTaskExecutorPreference(reached.connection.loop) {
          try await run.perform(on: reached.connection)
        })
    } catch {
      return .failure(Failure(error))
    }
  }

  /// Ends this process because of a second signal, or of the first if the server has not answered.
  /// The connection ends with the process, and the server then ends the command.
  private static func giveUp(
    _ signal: Int32, hasAnswered: Bool, printsReport: Bool, _ statusFile: StatusFile?
  ) -> Never {
    let status = ExitStatus.signalBase + signal
    let failure = Failure(
      hasAnswered
        ? "ended by a second signal; the server ends the command, and its result is unknown"
        : "ended by a signal before the server answered; if the server starts the command later, it ends it at once",
      kind: "interrupted")
    let report = RunReport(outcome: .failure(failure), status: status)
    // The user wants to end at once, so a report that can't be written is dropped.
    if printsReport { try? JSONText.print(report) } else { Descriptor.complain(failure.message) }
    try? statusFile?.write(report)
    _exit(status)
  }
}
