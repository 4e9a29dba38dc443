internal import TelpherHosts

/// A command line in one of the common forms:
///
///     --version
///     run  [OPTION ...] [--] COMMAND [ARG ...]
///     on HOST [OPTION ...] [--] COMMAND [ARG ...]
///     info [OPTION ...]
///     ping [OPTION ...]
///
/// It is recognized without the argument parser, whose start takes a third of the time of
/// `telpher run -- true`. Anything unusual is left to the parser: an option that is not listed here
/// or is repeated; a value that is empty, begins with a dash or can't be used; help, and every
/// error. So a command line that is recognized means the same to the parser; the tests compare both.
enum QuickCommand: Equatable {
  /// Print the version.
  case version
  /// Run a command.
  case run(ServerSettings, RunSettings)
  /// Print what the server reports about itself.
  case info(ServerSettings, json: Bool)
  /// Measure round trips.
  case ping(ServerSettings, count: Int, json: Bool)

  /// Recognizes the arguments of this process, without the program's name; nil if they need the
  /// parser.
  init?(_ arguments: [String]) {
    do throws(QuickArguments.Unusual) {
      self = try Self.recognize(arguments)
    } catch {
      return nil
    }
  }

  private static func recognize(_ arguments: [String]) throws(QuickArguments.Unusual) -> Self {
    var rest = QuickArguments(arguments.dropFirst())
    var server = ServerSettings()
    var json = false
    switch arguments.first {
    case "--version":
      try rest.end()
      return .version
    case "on":
      let host = try rest.plainValue()
      if HostSet.isSet(host) { throw QuickArguments.Unusual() }
      server.address = host
      fallthrough
    case "run":
      let settings = try runSettings(&rest, &server)
      return .run(server, settings)
    case "info":
      while let option = try rest.option() {
        if option == "--json" { json = true } else { try read(option, of: &rest, into: &server) }
      }
      try rest.end()
      return .info(server, json: json)
    case "ping":
      var count = 1
      while let option = try rest.option() {
        switch option {
        case "--json": json = true
        case "--count": count = try rest.value { Int($0) }
        default: try read(option, of: &rest, into: &server)
        }
      }
      try rest.end()
      guard PingCommand.counts.contains(count) else { throw QuickArguments.Unusual() }
      return .ping(server, count: count, json: json)
    default: throw QuickArguments.Unusual()
    }
  }

  /// Reads the options and the words of `run`. Those that name a server go into `server`, which has
  /// an address already for `on`.
  private static func runSettings(
    _ rest: inout QuickArguments, _ server: inout ServerSettings
  ) throws(QuickArguments.Unusual) -> RunSettings {
    var settings = RunSettings()
    while let option = try rest.option() {
      switch option {
      case "--cwd": settings.cwd = try rest.value()
      case "--env": settings.variables.append(try rest.value(EnvironmentVariable.parse))
      case "-i" where !settings.forwardsInput: settings.forwardsInput = true
      case "-t" where !settings.usesTerminal, "--tty" where !settings.usesTerminal:
        settings.usesTerminal = true
      case "-it" where !settings.forwardsInput && !settings.usesTerminal:
        (settings.forwardsInput, settings.usesTerminal) = (true, true)
      case "--timeout": settings.timeout = try rest.value(DurationArgument.parse)
      case "--grace": settings.grace = try rest.value(DurationArgument.parse)
      case "--drain": settings.drain = try rest.value(DurationArgument.parseOrForever)
      case "--merge": settings.merge = true
      case "--shell": settings.shell = true
      case "--json": settings.json = true
      case "--detach": settings.detach = true
      case "--name": settings.name = try rest.value(JobOptions.parseName)
      case "--journal": settings.journal = try rest.value(SizeArgument.parse)
      case "--when-full": settings.whenFull = try rest.value(JobOptions.parseWhenFull)
      case "--status-fd": settings.statusFD = try rest.value { Int32($0) }
      default:
        if let kind = LimitOptions.kind(of: option) {
          settings.limits.append(try rest.value { try LimitArgument.parse(kind, $0) })
        } else {
          try read(option, of: &rest, into: &server)
        }
      }
    }
    settings.limits = LimitOptions.sorted(settings.limits)
    // Leave it to the parser, whose message says that -t and --json can't be combined.
    if settings.usesTerminal && settings.json { throw QuickArguments.Unusual() }
    let hasJobOptions =
      settings.name != nil || settings.journal != nil || settings.whenFull != nil
    guard
      settings.detach
        ? !settings.usesTerminal && settings.statusFD == nil
        : !hasJobOptions || settings.usesTerminal && settings.whenFull == nil
    else { throw QuickArguments.Unusual() }
    settings.words = try rest.words()
    return settings
  }

  /// Reads an option that says which server to use or how to connect to it.
  private static func read(
    _ option: String, of rest: inout QuickArguments, into server: inout ServerSettings
  ) throws(QuickArguments.Unusual) {
    switch option {
    case "--on" where server.address == nil: server.address = try rest.plainValue()
    case "--connect-timeout":
      server.connectTimeout = try rest.value(DurationArgument.parsePositive)
    case "--keep": server.keep = try rest.value(DurationArgument.parse)
    default: throw QuickArguments.Unusual()
    }
  }

  /// Runs the command.
  ///
  /// - Returns: the status for this process to end with.
  /// - Throws: `Failure`.
  func run() async throws(Failure) -> Int32 {
    switch self {
    case .version: try Descriptor.output.print(Program.name + "\n")
    case .run(let server, let settings):
      return try await RunInvocation(server: server, settings: settings).run()
    case .info(let server, let json): try await InfoCommand.run(on: server, json: json)
    case .ping(let server, let count, let json):
      try await PingCommand.run(on: server, count: count, json: json)
    }
    return 0
  }
}
