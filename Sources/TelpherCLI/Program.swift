internal import ArgumentParser
internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Parses the command line, runs the command and ends the process with its exit status.
package enum Program {
  /// The version that `--version` and `info` print.
  static let version = "0.1.0"
  /// The name and version that a server sends to its clients.
  static let name = "telpher \(version)"

  /// Runs the program on `backend`. Called on the main thread; does not return.
  package static func main(backend: any Backend) -> Never {
    telpher_keep_account_lookups_static()
    InheritedSignals.unblockAll()
    Descriptor.occupyClosedStandardStreams()
    let mainThread = ThreadExecutor.ofCaller()
    Task(executorPreference: mainThread) {
      let status = await run(on: backend)
      await TLSConnections.close()
      end(status)
    }
    mainThread.runForever()
  }

  /// Ends the process without running the destructors of libraries: a loop's thread may still use
  /// what they would free.
  private static func end(_ status: Int32) -> Never {
    fflush(nil)
    LocalTerminal.leaveRawMode()
    _exit(status)
  }

  /// Runs the command that the command line names.
  ///
  /// - Returns: the status for the process to end with.
  private static func run(on backend: any Backend) async -> Int32 {
    let arguments = ArgumentText.ofProcess()
    do {
      if let command = QuickCommand(arguments) {
        return try await CurrentBackend.$value.withValue(backend) { try await command.run() }
      }
      let command = try parse(arguments)
      if !(command is any TakesByteArguments) { try checkEncoding(arguments) }
      try await CurrentBackend.$value.withValue(backend) {
        guard var command = command as? any AsyncParsableCommand else {
          var command = command
          return try command.run()
        }
        try await command.run()
      }
      return 0
    } catch {
      return report(error, of: arguments)
    }
  }

  /// Parses the command line.
  ///
  /// The parser's time grows with the square of the number of arguments: 20,000 take minutes. `run`,
  /// `on` and `shell` pass everything after the command on unchanged. So of a long command line only
  /// the first `parsedAtOnce` arguments are parsed, if they contain the command. Of a command with
  /// many paths most of the paths are not parsed (`ShortenedArguments`).
  static func parse(_ arguments: [String]) throws -> any ParsableCommand {
    let arguments = OnCommand.parsed(ReconnectArgument.parsed(arguments))
    let type = RootCommand.configuration.subcommands.first {
      $0.configuration.commandName == arguments.first
    }
    if type is any RunsWords.Type {
      if arguments.count > parsedAtOnce,
        var command = try? parseWords(Array(arguments.prefix(parsedAtOnce))) as? any RunsWords,
        !command.words.isEmpty
      {
        command.words += arguments.dropFirst(parsedAtOnce)
        return command
      }
      return try parseWords(arguments)
    }
    guard arguments.count > parsedAtOnce, type is any TakesManyPaths.Type else {
      return try RootCommand.parseAsRoot(arguments)
    }
    return try parseShortened(arguments)
  }

  /// Parses the command line of a command that runs words, which may begin with any number of dashes.
  private static func parseWords(_ arguments: [String]) throws -> any ParsableCommand {
    let dashed = DashedWords(arguments)
    guard !dashed.isEmpty,
      var command = try? RootCommand.parseAsRoot(dashed.arguments) as? any RunsWords,
      let words = dashed.restored(command.words)
    else { return try RootCommand.parseAsRoot(arguments) }
    command.words = words
    // The parser validated the command while its words were still placeholders; validate it again.
    try command.validate()
    return command
  }

  /// Parses the command line of a command that takes many paths, with the same result as the parser
  /// alone.
  static func parseShortened(_ arguments: [String]) throws -> any ParsableCommand {
    let shortened = ShortenedArguments(arguments)
    let parsed = try RootCommand.parseAsRoot(shortened.arguments)
    guard var command = parsed as? any TakesManyPaths else { return parsed }
    command.paths = shortened.restored(command.paths)
    return command
  }

  /// A number of arguments that the parser reads without noticeable delay.
  private static let parsedAtOnce = 256

  /// The commands about commands and jobs. They end with 125 if they are used wrongly, as for any
  /// failure of telpher, and not with 64 as others: from `run` or `wait` that could be the status of
  /// the command.
  private static let withoutUsageStatus: Set<String> = [
    "run", "on", "shell", "jobs", "attach", "logs", "wait", "kill", "forget", "ps",
    "job",
  ]

  /// Prints an error and returns its exit status.
  private static func report(_ error: any Error, of arguments: [String]) -> Int32 {
    switch error {
    case let error as ExitCode: return error.rawValue
    case let error as Failure:
      if !error.isSilent { Descriptor.complain(error.message) }
      return error.status
    case let error as TransportError:
      Descriptor.complain(error.message)
      return ExitStatus.failure
    default: break
    }
    let status = RootCommand.exitCode(for: error)
    guard status != .success else {
      if arguments.first == "help",
        let message = UnknownCommand(in: Array(arguments.dropFirst()), of: RootCommand.self)?
          .message
      {
        Descriptor.complain(message)
        return ExitCode.validationFailure.rawValue
      }
      // Not an error: the text of --help, --version or a completion script.
      do throws(Failure) {
        try Descriptor.output.print(RootCommand.fullMessage(for: error) + "\n")
        return 0
      } catch {
        if !error.isSilent { Descriptor.complain(error.message) }
        return error.status
      }
    }
    guard status == .validationFailure else {
      Descriptor.complain("\(error)")
      return ExitStatus.failure
    }
    if let message = UnknownCommand(in: arguments, of: RootCommand.self)?.message {
      Descriptor.complain(message)
      return status.rawValue
    }
    let text = RootCommand.message(for: error).split(separator: "\n").joined(separator: "; ")
    let message = ArgumentText.shown(
      MissingValue(text, in: arguments)?.message ?? ReconnectArgument.message(text))
    let help = RootCommand.command(in: arguments)
    Descriptor.complain("\(message) (see '\(help) --help')")
    return withoutUsageStatus.contains(arguments.first ?? "") ? ExitStatus.failure : status.rawValue
  }

  /// Refuses arguments that are not UTF-8, for a command that takes only UTF-8.
  private static func checkEncoding(_ arguments: [String]) throws(Failure) {
    if let index = arguments.firstIndex(where: { !ArgumentText.isPlain($0) }) {
      throw Failure("argument \(index + 1) is not UTF-8; this command takes only UTF-8")
    }
  }
}

/// The command `telpher`, which has all other commands as subcommands.
struct RootCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "telpher",
    abstract:
      "Runs commands and copies files on this machine, over ssh, and in containers and pods.",
    version: Program.name,
    subcommands: [
      ServeCommand.self, RunCommand.self, OnCommand.self, ShellCommand.self,
      JobsCommand.self, AttachCommand.self, LogsCommand.self, WaitCommand.self,
      ForgetCommand.self,
      JobCommand.self, WorkerCommand.self, FleetCommand.self,
      PutCommand.self, GetCommand.self,
      PickCommand.self,
      ListCommand.self, StatCommand.self, MakeFolderCommand.self, RemoveCommand.self,
      MoveCommand.self, ForwardCommand.self, ProcessesCommand.self, KillCommand.self,
      PingCommand.self, InfoCommand.self,
      UninstallCommand.self, TokenCommand.self, KeysCommand.self,
      AuditCommand.self, PolicyCommand.self,
      ConnectionsCommand.self, DisconnectCommand.self, RelayCommand.self, JobHostCommand.self,
      AccountHostCommand.self,
      ClassicCommand.self,
    ])

  /// The command that `arguments` name, with its parents: `telpher`, `telpher classic run`.
  static func command(in arguments: [String]) -> String {
    var text = "telpher"
    var type: any ParsableCommand.Type = RootCommand.self
    for word in arguments {
      let commands = type.configuration.subcommands
      guard let next = commands.first(where: { $0.configuration.commandName == word }) else {
        break
      }
      text += " \(word)"
      type = next
    }
    return text
  }
}
