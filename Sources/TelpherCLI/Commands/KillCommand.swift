internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// `telpher kill`
struct KillCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kill",
    abstract: "Ends commands and durable jobs of a server, with all their processes.",
    discussion: """
      An ID is one that 'telpher ps' shows. For a durable job ('telpher jobs'), give \
      \(JobOptions.referenceRule). Without -s, telpher ends a command as at its \
      --timeout: with SIGTERM, and SIGKILL after its --grace. The exit status is 0 if all commands were \
      found and still ran, else 1; a message says which was not found or has ended.
      """)

  @OptionGroup var server: ServerOptions

  @Option(
    name: [.customShort("s"), .long],
    help: ArgumentHelp(
      "Sends only this signal, by its name or number, such as HUP, SIGUSR1 or 9.",
      valueName: "signal"),
    transform: SignalArgument.parse)
  var signal: Int32?

  @Argument(help: ArgumentHelp("The ids of the commands or jobs.", valueName: "id"))
  var ids: [String]

  func run() async throws {
    var hasFailed = false
    do {
      let connection = try await ServerReach(settings: server.settings)
        .connect(embeddedServer: .allowed).connection
      for id in ids {
        do {
          try await connection.kill(id, signal: signal)
        } catch let error as ClientError where error.code == .refused {
          Descriptor.complain(error.message)
          hasFailed = true
        }
      }
    } catch {
      throw Failure(error)
    }
    if hasFailed { throw ExitCode(1) }
  }
}

/// A signal on the command line.
enum SignalArgument {
  /// The signals with names, as Linux numbers them (signal(7)).
  private static let names: [String: Int32] = [
    "HUP": SIGHUP, "INT": SIGINT, "QUIT": SIGQUIT, "ILL": SIGILL, "TRAP": SIGTRAP,
    "ABRT": SIGABRT, "BUS": SIGBUS, "FPE": SIGFPE, "KILL": SIGKILL, "USR1": SIGUSR1,
    "SEGV": SIGSEGV, "USR2": SIGUSR2, "PIPE": SIGPIPE, "ALRM": SIGALRM, "TERM": SIGTERM,
    "CHLD": SIGCHLD, "CONT": SIGCONT, "STOP": SIGSTOP, "TSTP": SIGTSTP, "TTIN": SIGTTIN,
    "TTOU": SIGTTOU, "URG": SIGURG, "XCPU": SIGXCPU, "XFSZ": SIGXFSZ, "VTALRM": SIGVTALRM,
    "PROF": SIGPROF, "WINCH": SIGWINCH, "SYS": SIGSYS,
  ]

  /// Reads a name, in upper or lower case, with or without SIG before it, or a number from 1 to 64.
  ///
  /// - Throws: `ValidationError` that says what is expected.
  static func parse(_ text: String) throws -> Int32 {
    if let number = Int32(text), (1...64).contains(number) { return number }
    let upper = text.uppercased()
    let name = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
    guard let number = names[name] else {
      throw ValidationError("'\(text)' is not a signal; write for example TERM, SIGKILL or 9")
    }
    return number
  }
}
