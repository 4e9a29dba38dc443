internal import ArgumentParser
internal import Glibc
internal import TelpherClient
internal import TelpherHosts

/// `telpher on`
struct OnCommand: RunsWords {
  static let configuration = CommandConfiguration(
    commandName: "on",
    abstract: "Runs a command on a host, which is the first argument, or on many hosts.",
    usage: """
      telpher on HOST [OPTIONS] [--] [COMMAND [ARG ...]]
      telpher on HOSTS [OPTIONS] [--] COMMAND [ARG ...]
      telpher on HOSTS --put|--get [-r] PATH ... PATH
      """,
    discussion: """
      HOST is [USER@]NAME, or any value of --on of the other commands; 'telpher on HOST' is the \
      same as 'telpher run --on HOST'. Without COMMAND it starts your login shell there, if standard \
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

      HOSTS is a set of hosts: node[01-10/2], r[1-2]n[1-3], @GROUP, @SOURCE:GROUP, @* (all). Sets are \
      combined from left to right with ',' (or), '!' (without), '&' (and) and '^' (in one of the two, \
      not in both). A single host becomes a set if an option for several hosts is given. The command \
      runs on 64 hosts at once; the options below say how the output is printed.

        telpher on 'web[01-40],!web07' -b -- uptime
        telpher on @db --inventory hosts.yml -S --timeout 1m -- make
        telpher on 'web[01-40]' --put -r site /srv

      A group is looked up in --inventory, and then in the file ~/.config/telpher/groups. Its lines \
      are 'group NAME HOSTS' and 'source NAME FILE'; FILE is an Ansible inventory. This file too must \
      belong to you, and no one else may be able to write it.

      The exit status is 0 if the command ran to its own end on every host, else 125. With -S, --put \
      or --get it is the largest status of any host; an unreachable or lost host counts as 125. In \
      messages about several hosts, %h stands for the host. Ctrl-C cancels the \
      command on all hosts; a second one ends telpher at once.
      """)

  /// `Program.parse` puts the host here: the parser would take what follows it for the command.
  @Option(name: .customLong(hostOption), help: .hidden)
  var host: String?

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var options: RunOptions
  @OptionGroup(title: "Several hosts") var fanOut: FanOutOptions

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
    guard let host = host ?? (fanOut.hostfile.isEmpty ? nil : "-") else {
      if ["--help", "-h"].contains(options.words.first) { throw CleanExit.helpRequest(self) }
      throw ValidationError("Missing the host as the first word, as in '\(example)'")
    }
    if let first = options.words.first, first == "--on" || first.hasPrefix("--on=") {
      throw ValidationError("The host is the first word of 'on', so it takes no --on")
    }
    guard ArgumentText.isPlain(host) else { throw ValidationError("The host must be UTF-8") }
    if isFanOut {
      try checkFanOut()
    } else if !isShell {
      try options.check(in: self, example: example)
    }
  }

  /// Whether the command line is for a set of hosts and not for one plain host.
  var isFanOut: Bool { fanOut.areUsed || host.map(HostSet.isSet) ?? false }

  private func checkFanOut() throws {
    let settings = options.settings
    guard !settings.usesTerminal, !settings.detach, !settings.reconnects, settings.statusFD == nil
    else {
      throw ValidationError("-t, --detach, --reconnect and --status-fd are for one host")
    }
    if fanOut.put || fanOut.get {
      guard settings.commandWords.count >= 2 else {
        throw ValidationError(
          fanOut.put
            ? "--put takes one or more files of this machine and the destination on the hosts"
            : "--get takes one or more files of the hosts and a folder of this machine")
      }
      guard !settings.forwardsInput, !settings.shell, fanOut.folds == false, !fanOut.inOrder else {
        throw ValidationError("--put and --get cannot be combined with -i, -b, -L or --shell")
      }
    } else {
      try options.check(in: self, example: "telpher on 'web[1-3]' -- uptime")
    }
    if settings.json, fanOut.folds || fanOut.inOrder {
      throw ValidationError("--json cannot be combined with -b or -L")
    }
    if settings.forwardsInput, fanOut.hostfile.contains("-") {
      throw ValidationError("--hostfile - and -i both read standard input: use one of them")
    }
  }

  func run() async throws {
    if isFanOut {
      let status = try await FanOutInvocation(
        fanOut.settings(hosts: host, json: options.json),
        server: connection.settings(address: nil),
        job: fanOut.put || fanOut.get
          ? .transfer(
            fanOut.put ? .put : .get, paths: options.settings.commandWords,
            isRecursive: fanOut.recursive)
          : .command(options.settings)
      ).run()
      if status != 0 { throw ExitCode(status) }
      return
    }
    let server = connection.settings(address: host)
    var invocation = RunInvocation(server: server, settings: options.settings)
    if isShell {
      invocation.settings.usesTerminal = true
      invocation.settings.isSession = true
      invocation.program = .loginShell(nil)
    }
    let status = try await invocation.run()
    if status != 0 { throw ExitCode(status) }
  }
}
