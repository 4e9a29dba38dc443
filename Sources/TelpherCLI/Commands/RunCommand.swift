internal import ArgumentParser

/// `telpher run`
struct RunCommand: AsyncParsableCommand, RunsWords {
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
      be executed; 127 if the command was not found. If telpher itself sets one of 124 to 127, \
      a line on standard error gives the reason; --json and --status-fd say whether the \
      status comes from the command or from telpher. If a limit ended the command (--memory, \
      --cpu-time, --file-size), the status is that of the signal, and a line on standard error names \
      the limit.

      telpher sends SIGINT (Ctrl-C), SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 on to the \
      command. A second SIGINT, SIGTERM, SIGHUP or SIGQUIT, or the first if the server has not \
      answered yet, ends telpher at once; the server then ends the command. With -t, the first \
      SIGHUP, which a closed terminal causes, also ends telpher at once; and after the server has \
      answered, Ctrl-C goes to the command as a key.
      """)

  @OptionGroup var server: ServerOptions
  @OptionGroup var options: RunOptions

  var words: [String] {
    get { options.words }
    set { options.words = newValue }
  }

  func validate() throws {
    try options.check(in: self, example: "telpher run -- ls -l")
  }

  func run() async throws {
    let status = try await RunInvocation(server: server.settings, settings: options.settings).run()
    if status != 0 { throw ExitCode(status) }
  }
}
