internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// `telpher on`
struct OnCommand: RunsWords {
  static let configuration = CommandConfiguration(
    commandName: "on",
    abstract: "Runs a command on a host: 'run' with the host as its first word.",
    usage: "telpher on HOST [OPTIONS] [--] [COMMAND [ARG ...]]",
    discussion: """
      HOST is [USER@]NAME, or an address as --on of the other commands takes it; 'telpher on HOST' \
      is 'telpher run --on HOST'. Without COMMAND it starts your login shell there, if standard \
      input is a terminal. See 'telpher run --help' for the exit status and the signals.

        telpher on build -- make -j8
        telpher on me@build -i -- tar x <archive.tar
        telpher on docker://web --cwd /srv -- ls

      NAME is a host of the file ~/.config/telpher/config ($XDG_CONFIG_HOME/telpher/config), or \
      else a name that ssh knows from its own configuration or the network. Each line of the file \
      is empty, a comment that begins with #, or a key and its value:

        host build                         the name; what follows belongs to it
          address ssh://me@10.0.0.7:2222   any address; ssh://build without it
          jump gate.example.com            hosts to jump over, as for ssh -J
          identity ~/.ssh/build            the private key, as for ssh -i
          keep 10m                         how long to keep a connection

      The file must belong to you, and no one else may be able to write it.
      """)

  /// `Program.parse` puts the host here: the parser would take what follows it for the command.
  @Option(name: .customLong(hostOption), help: .hidden)
  var host: String?

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var options: RunOptions

  var words: [String] {
    get { options.words }
    set { options.words = newValue }
  }

  /// Whether no command is named, and the user has a terminal for the login shell.
  private var isShell: Bool {
    options.words.isEmpty && isatty(STDIN_FILENO) == 1 && !options.json && !options.shell
  }

  private static let hostOption = "host"

  /// The arguments for the parser: `on HOST ...` becomes `on --host HOST ...`.
  static func parsed(_ arguments: [String]) -> [String] {
    guard arguments.first == configuration.commandName, arguments.count > 1,
      !arguments[1].hasPrefix("-")
    else { return arguments }
    return [arguments[0], "--\(hostOption)"] + arguments.dropFirst()
  }

  func validate() throws {
    let example = "telpher on build -- ls -l"
    guard let host else {
      if ["--help", "-h"].contains(options.words.first) { throw CleanExit.helpRequest(self) }
      throw ValidationError("Missing the host as the first word, as in '\(example)'")
    }
    if let first = options.words.first, first == "--on" || first.hasPrefix("--on=") {
      throw ValidationError("The host is the first word of 'on', so it takes no --on")
    }
    guard ArgumentText.isPlain(host) else { throw ValidationError("The host must be UTF-8") }
    if !isShell { try options.check(in: self, example: example) }
  }

  func run() async throws {
    let server = connection.settings(address: host)
    var invocation = RunInvocation(server: server, settings: options.settings)
    if isShell {
      invocation.settings.usesTerminal = true
      invocation.program = .loginShell(nil)
    }
    let status = try await invocation.run()
    if status != 0 { throw ExitCode(status) }
  }
}
