internal import ArgumentParser
internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// `telpher run`
struct RunCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Runs a command and passes its output on.",
    usage: "telpher run [OPTIONS] [--] COMMAND [ARG ...]",
    discussion: """
      All that follows COMMAND belongs to it, options included. Without --on and $TELPHER_ON the \
      server at the default socket runs it, or one that is started for this command; either way in \
      this folder and with exactly this environment. A server that is named runs it in its own \
      folder and with its own environment, which --cwd and --env change.

      The exit status is the command's; 128 + n if signal n ended it; 124 if its time was over; 125 \
      if telpher failed; 126 if the command can't be executed; 127 if it is not there. Each of the \
      last four comes with a line on standard error that says so; --json and --status-fd tell who \
      the status is from.

      SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to the command. A second \
      one of the first four ends telpher at once, and the server ends the command.
      """)

  @OptionGroup var server: ServerOptions

  @Option(
    help: ArgumentHelp(
      "The working directory; by default this one if no server is named, else the server's own.",
      valueName: "dir"))
  var cwd: String?

  @Option(
    name: .customLong("env"),
    help: ArgumentHelp("Adds a variable to the command's environment.", valueName: "name=value"),
    transform: EnvironmentVariable.parse)
  var variables: [EnvironmentVariable] = []

  @Flag(name: .customShort("i"), help: "Passes standard input on to the command.")
  var forwardsInput = false

  @Option(
    help: ArgumentHelp(
      "Ends the command after this time: 5 (seconds), 1.5s, 200ms, 2m, 1h.", valueName: "duration"),
    transform: DurationArgument.parse)
  var timeout: Duration?

  @Option(
    help: ArgumentHelp(
      "The time from SIGTERM to SIGKILL when it is ended; 2s by default.", valueName: "duration"),
    transform: DurationArgument.parse)
  var grace: Duration?

  @Option(
    help: ArgumentHelp(
      "How long to wait after the command's exit for processes that it left behind and that hold its output.",
      discussion: "500ms by default; 'forever' waits until they have closed it.",
      valueName: "duration"),
    transform: DurationArgument.parseOrForever)
  var drain: Duration?

  @Flag(help: "Puts standard error into standard output, in the order of writing.")
  var merge = false

  @Flag(help: "Runs COMMAND as a line for /bin/sh; several words are joined by spaces.")
  var shell = false

  @Flag(help: "Prints one JSON object with the result and the output.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Writes the JSON object with the result, without the output, to this open descriptor.",
      valueName: "n"))
  var statusFD: Int32?

  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("The command and its arguments.", valueName: "command"))
  var words: [String] = []

  func validate() throws {
    // The parser takes an option it doesn't know for the first word of the command, and leaves even
    // --help to it.
    if words.first == "--help" || words.first == "-h" { throw CleanExit.helpRequest(self) }
    if let first = words.first, first.hasPrefix("-"), first != "--" {
      throw ValidationError(
        "Unknown option '\(first)'; write '-- \(first)' where it is the command")
    }
    if commandWords.isEmpty { throw ValidationError("Missing the command to run") }
    for text in [server.address, server.tokenFile] where text.map(ArgumentText.isPlain) == false {
      throw ValidationError("'\(text ?? "")' is not UTF-8, which this option does not take")
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

  /// Where no server is named, the command runs in this folder and with this environment.
  private func takeOverSurroundings(_ command: inout Command, _ place: ServerReach.Place) throws {
    let absolute = cwd?.hasPrefix("/") == true
    if !absolute { command.directory = try LocalSurroundings().resolve(command.directory) }
    // An embedded server has this environment already.
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
      let reached = try await ServerReach(options: server).connect(.allowed)
      var command = command
      if reached.place != .named { try takeOverSurroundings(&command, reached.place) }
      let run = CommandRun(
        command: command, forwardsInput: forwardsInput, output: output, error: error,
        giveUp: { [json] in Self.giveUp($0, printsReport: json, statusFile) })
      return .success(
        try await withTaskExecutorPreference(reached.connection.loop) {
          try await run.perform(on: reached.connection)
        })
    } catch {
      return .failure(Failure(error))
    }
  }

  /// Ends this process because of a second signal. The connection ends with it, and by that the
  /// command.
  private static func giveUp(
    _ signal: Int32, printsReport: Bool, _ statusFile: StatusFile?
  ) -> Never {
    let status = ExitStatus.signalBase + signal
    let failure = Failure(
      "ended by a second signal; the server ends the command, and how is not known",
      kind: "interrupted")
    let report = RunReport(outcome: .failure(failure), status: status)
    // What is asked for is to end at once: what can't be written is left.
    if printsReport { try? JSONText.print(report) } else { Descriptor.complain(failure.message) }
    try? statusFile?.write(report)
    _exit(status)
  }
}
