internal import ArgumentParser
internal import TelpherClient
internal import TelpherTransport

/// `telpher run`
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Runs a command and passes its output on.",
    usage: "telpher run [OPTIONS] [--] COMMAND [ARG ...]",
    discussion: """
      All that follows COMMAND belongs to it, options included. Without --on and $TELPHER_ON the \
      server at the default socket runs it, or one that is started for this command.

      The exit status is the command's; 128 + n where signal n ended it; 124 where its time was \
      over; 125 where telpher failed; 126 where the command can't be executed; 127 where it is not \
      there.
      """)

  @OptionGroup var server: ServerOptions

  @Option(
    help: ArgumentHelp(
      "The working directory; by default this one where no server is named, else the server's own.",
      valueName: "dir"))
  var cwd: String?

  @Option(
    name: .customLong("env"),
    help: ArgumentHelp("Adds a variable to the server's environment.", valueName: "name=value"),
    transform: EnvironmentVariable.parse)
  var variables: [EnvironmentVariable] = []

  @Flag(name: .customShort("i"), help: "Passes standard input on to the command.")
  var forwardsInput = false

  @Option(
    help: ArgumentHelp(
      "Ends the command after this time: 1.5s, 200ms, 2m, 1h.", valueName: "duration"),
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
  }

  func run() async throws {
    let status = try await json ? runForReport() : runPassing()
    if status != 0 { throw ExitCode(status) }
  }

  private var commandWords: [String] { words.first == "--" ? Array(words.dropFirst()) : words }

  private var command: Command {
    let words = commandWords
    var command =
      shell ? Command(shell: words.joined(separator: " ")) : Command(arguments: words)
    command.directory = cwd
    for variable in variables { command.environment[variable.name] = variable.value }
    command.deadline = timeout
    command.grace = grace
    command.drain = drain
    command.mergesErrorIntoOutput = merge
    return command
  }

  private func runPassing() async throws -> Int32 {
    do {
      let (result, status) = try await perform(
        output: DescriptorSink(.output), error: DescriptorSink(.error))
      if let message = ExitStatus.explanation(of: result, status: status) {
        Descriptor.complain(message)
      }
      if result.details.pipeHeld == true { Descriptor.complain(ExitStatus.heldOutput) }
      return status
    } catch {
      throw Failure(error)
    }
  }

  private func runForReport() async throws -> Int32 {
    let (output, error) = (MemorySink(name: "standard output"), MemorySink(name: "standard error"))
    var outcome: Result<CommandResult, Failure>
    var status = ExitStatus.failure
    do {
      let (result, itsStatus) = try await perform(output: output, error: error)
      (outcome, status) = (.success(result), itsStatus)
    } catch {
      outcome = .failure(Failure(error))
    }
    let report = await RunReport(
      outcome: outcome, output: output.bytes, error: error.bytes, status: status)
    try JSONText.print(report)
    return status
  }

  private func perform(
    output: any OutputSink, error: any OutputSink
  ) async throws -> (CommandResult, Int32) {
    let reached = try await ServerReach(options: server).connect(.allowed)
    var command = command
    if command.directory == nil && reached.isHere {
      command.directory = Environment.workingDirectory
    }
    let run = CommandRun(
      command: command, forwardsInput: forwardsInput, output: output, error: error)
    return try await withTaskExecutorPreference(reached.connection.loop) {
      let (wasInterrupted, result) = try await run.perform(on: reached.connection)
      return (result, ExitStatus.status(for: result.status, wasInterrupted: wasInterrupted))
    }
  }
}
