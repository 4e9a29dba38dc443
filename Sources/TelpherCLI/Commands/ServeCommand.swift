internal import ArgumentParser
internal import Glibc
internal import Logging
internal import TelpherServer
internal import TelpherTransport

/// `telpher serve`
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Runs a server for commands and files in the foreground.",
    discussion: """
      Prints the line 'listening on ADDRESS' for each address, and logs to standard error. After \
      SIGTERM or SIGINT (Ctrl-C) the server accepts nothing new, waits for running commands and \
      transfers (see --drain-limit), and exits. A second signal ends them at once. At SIGUSR2 \
      it starts its program file again with the same arguments, as a new server that replaces it \
      (see --replace).
      """)

  @Option(
    help: ArgumentHelp(
      "The address to listen at: unix:PATH, tcp:HOST:PORT (this machine only), vsock:CID:PORT (CID any for all), tls:HOST:PORT or stdio.",
      discussion: """
        May be repeated. tls is encrypted, and HOST may be any address of this machine: \
        tls:[::]:7722 listens at all of them, at the port that clients use by default. stdio serves a single connection on standard input and output. Default: \
        unix:$XDG_RUNTIME_DIR/telpher.sock, else unix:/tmp/telpher-UID/telpher.sock.
        """,
      valueName: "address"),
    transform: ListenAddress.parse)
  var listen: [ListenAddress] = []

  @OptionGroup var hubs: HubOptions

  @Option(
    help: ArgumentHelp(
      "The file with the secret token that TCP and TLS clients must know; created if missing.",
      discussion:
        "The file must be yours and readable only by you. Default: $TELPHER_TOKEN_FILE, else ~/.config/telpher/token.",
      valueName: "file"),
    completion: .file())
  var tokenFile: String?

  @Option(
    help: ArgumentHelp(
      "For tls: the file with the host key (ed25519, PEM) by which clients know this server.",
      discussion: """
        Created if missing. It must be yours and readable only by you. The server prints the \
        fingerprint at its start. Default: ~/.config/telpher/host_key.
        """, valueName: "file"),
    completion: .file())
  var hostKeyFile: String?

  @Option(
    help: ArgumentHelp(
      "For tls: accepts clients with a certificate from an authority in this file (PEM).",
      discussion: """
        Such a client needs no token, and over TLS the token is then not accepted. With \
        --authorized-keys a client without a certificate may prove an ssh key instead. The identity \
        is the first URI or else the first DNS name of the certificate. The file is read again at \
        SIGHUP; open connections stay open.
        """, valueName: "file"),
    completion: .file())
  var clientCa: String?

  @Option(
    help: ArgumentHelp(
      "For tls: accepts clients with an ssh key that this file lists (in sshd's format); 'none' accepts no keys.",
      discussion: """
        The options of a line restrict its key as with sshd; a line with an option that is not \
        supported grants nothing, and the log says so. Only you and root may be able to change the \
        file and the folders above it. A change applies to new connections. Default: \
        ~/.ssh/authorized_keys; with --client-ca, none.
        """, valueName: "file"),
    completion: .file())
  var authorizedKeys: String?

  @Option(
    help: ArgumentHelp(
      "With --client-ca: refuses certificates that are on the revocation lists in this file (PEM).",
      discussion: """
        Each authority must then have a current list in it. The file is read again at SIGHUP.
        """, valueName: "file"),
    completion: .file())
  var clientCrl: String?

  @Option(
    help: ArgumentHelp(
      "Passes all clients on to the server at this address, and serves nothing itself.",
      discussion: """
        unix: without a path is your own server on this machine. All clients, at most 64 at a time, share one connection to that server and its limits for \
        one connection. The process ends if that connection is lost.
        """,
      valueName: "address"),
    completion: WordCompletion.server)
  var relay: String?

  @Option(
    help: ArgumentHelp(
      "Confines file access to this folder; 'none' serves no files.",
      discussion: """
        All paths of clients start in this folder: /x, ~/x and x all mean DIR/x. Nothing outside \
        can be reached, not even through links. Commands are not confined: they may do whatever \
        the server's user may (see --no-commands). Default: all files that the server's user can \
        reach, with relative paths and ~ starting in that user's home folder; with --no-commands \
        or --read-only, only the home folder.
        """,
      valueName: "dir"),
    completion: .directory, transform: PathArgument.parseOption)
  var root: PathArgument?

  @Flag(help: "Serves files only: clients cannot run commands.")
  var noCommands = false

  @Flag(help: "Lets clients only read files: no changes to files, and no commands.")
  var readOnly = false

  @Flag(
    help: ArgumentHelp(
      "Lets no client open sockets through this server ('telpher forward').",
      discussion: """
        Without it, a client can connect to all addresses that the server can reach, and listen on \
        the server's machine. --no-commands, --read-only and --root forbid that as well.
        """))
  var noForward = false

  @Option(
    help: ArgumentHelp(
      "The folder of the durable jobs ('telpher run --detach').",
      discussion: """
        Only you may have access to it. A separate background process keeps the jobs, so they \
        outlive this server; the next server with the same folder finds them. Default: \
        $XDG_STATE_HOME/telpher/jobs, else ~/.local/state/telpher/jobs. Jobs of clients with an \
        ssh key or a certificate are in folders of their own, in DIR-of beside this one.
        """,
      valueName: "dir"),
    completion: .directory)
  var jobs: String?

  @Option(
    help: ArgumentHelp(
      "Removes durable jobs this long after their end, such as 12h or 30d; 7d by default.",
      discussion: """
        At least 1h, and never a job that runs. The setting stays with the folder of the jobs (--jobs): \
        other servers with this folder use it too, until one gets another.
        """,
      valueName: "duration"),
    transform: DurationArgument.parseRetention)
  var keepJobs: Duration?

  @Option(
    help: ArgumentHelp(
      "Removes the oldest ended jobs while all of them need more disk space than this; 2G by default.",
      discussion: """
        None is removed for this in the hour after its end. All jobs together have at most 4G; \
        what ended jobs use of it, running jobs can't use. The setting stays with the folder, as that of \
        --keep-jobs does.
        """,
      valueName: "size"),
    transform: SizeArgument.parse)
  var keepJobsSize: UInt64?

  @Flag(
    help: ArgumentHelp(
      "Replaces your running server at one of the addresses, without turning clients away.",
      discussion: """
        The new server takes over the listening sockets; it uses the options of this command, not \
        those of the old server. The old server finishes the commands and transfers of its clients, \
        however long they take, and then ends. If the new server can't start, the old one \
        continues. If no server runs, the new one starts as without --replace. A server that \
        receives SIGUSR2 replaces itself in the same way and keeps its own options.
        """))
  var replace = false

  @Option(
    help: ArgumentHelp(
      "Records each connection and operation in this file, a line of JSON each ('telpher audit' reads it), or with 'journal' in the systemd journal.",
      discussion: """
        A record has the time, the client's identity and how it was proved, the operation, its \
        arguments and its result, but never the values of environment variables. Refused clients are \
        recorded too, at most 10 in 10 seconds, then only their number. The file may be \
        renamed at any time; the next record or SIGHUP creates it again. Entries of the journal have \
        the identifier telpher-audit, and fields such as TELPHER_IDENTITY. For a file with the name \
        'journal', write ./journal.
        """, valueName: "file"),
    completion: .file(), transform: AuditPlace.parse)
  var audit: AuditLog.Place?

  @Flag(help: "With --audit: refuses operations that can't be recorded.")
  var auditRequired = false

  @Option(
    help: ArgumentHelp(
      "Allows each client only what this file (YAML) says: commands, files, forwarding, limits.",
      discussion: """
        docs/POLICY.md describes it; 'telpher policy check' and 'telpher policy explain' try it. What \
        no rule allows is denied, also to you. The file is read again at SIGHUP; one with a mistake is \
        reported in the log, and the old rules stay.
        """, valueName: "file"),
    completion: .file())
  var policy: String?

  @Option(help: ArgumentHelp("The number of event-loop threads; 1 by default.", valueName: "n"))
  var loops = 1

  @Option(
    help: ArgumentHelp(
      "How to start commands: clone (Telpher's launcher) or uv (the event loop library's function).",
      discussion: """
        Default: clone. uv gets slower as the server uses more memory, and commands then do not \
        run in control groups (see 'kill scope' in the output of 'telpher info').
        """,
      valueName: "way"),
    completion: .list(SpawnMethod.allCases.map(\.rawValue)), transform: parseSpawnMethod)
  var spawn: SpawnMethod?

  @Option(
    help: ArgumentHelp("The most connections at a time; the server refuses more.", valueName: "n"))
  var maxConnections = ServerConfiguration().maxConnections

  @Option(
    name: .customLong("limit"),
    help: ArgumentHelp(
      "Limits every command, such as memory=1G or cpu-time=10m. May be repeated.",
      discussion: """
        A command may ask for a lower limit; if it asks for a higher one, it is refused. NAME is \
        one of \(LimitArgument.names), with values as for the options of 'telpher run'. For nice, the value is the lowest niceness that a command may ask for. The server \
        does not start if it can't enforce the limit.
        """,
      valueName: "name=value"),
    transform: LimitArgument.parseNamed)
  var limits: [ResourceLimit] = []

  @Option(
    help: ArgumentHelp(
      "Disconnects a client that is silent for this long, and ends its commands.",
      discussion: """
        This includes a client that is only suspended, for example with Ctrl-Z. Default: never. \
        The server notices a client whose process or machine is gone even without this option.
        """,
      valueName: "duration"),
    transform: DurationArgument.parse)
  var clientTimeout: Duration?

  @Option(
    help: ArgumentHelp(
      "The longest time to wait for running commands and transfers after SIGTERM or SIGINT.",
      discussion: "10s by default. The server then ends what still runs.", valueName: "duration"),
    transform: DurationArgument.parse)
  var drainLimit: Duration?

  @Option(
    help: ArgumentHelp(
      "Logs messages of this level and of more severe ones.",
      discussion: "One of \(levelNames); info by default.", valueName: "level"),
    completion: .list(Logger.Level.allCases.map(\.rawValue)), transform: parseLevel)
  var logLevel = Logger.Level.info

  func validate() throws {
    guard (1...256).contains(loops) else { throw ValidationError("--loops must be from 1 to 256") }
    guard maxConnections > 0 else { throw ValidationError("--max-connections must be at least 1") }
    if listen.contains(.stdio) && listen.count > 1 {
      throw ValidationError("--listen stdio cannot be combined with another --listen")
    }
    if replace && listen.contains(.stdio) {
      throw ValidationError("--listen stdio cannot be combined with --replace: it has no socket")
    }
    if replace && relay != nil {
      throw ValidationError("--relay cannot be combined with --replace")
    }
    guard clientCrl == nil || clientCa != nil else {
      throw ValidationError("--client-crl needs --client-ca")
    }
    let usesTLS =
      hubs.dials || listen.contains { if case .tls = $0 { true } else { false } }
    try hubs.validate(listen: listen, isRelay: relay != nil, replaces: replace)
    guard usesTLS || (hostKeyFile == nil && clientCa == nil && authorizedKeys == nil) else {
      throw ValidationError(
        "--host-key-file, --client-ca and --authorized-keys need --listen tls:HOST:PORT or --dial")
    }
    guard audit != nil || !auditRequired else {
      throw ValidationError("--audit-required needs --audit")
    }
    if policy != nil, root != nil || relay != nil {
      throw ValidationError(
        "--policy cannot be combined with --root (name the folders in the policy) or --relay (use it on the server that the clients are passed on to)"
      )
    }
    let kinds = limits.map(\.kind)
    if let twice = kinds.first(where: { kind in kinds.filter { $0 == kind }.count > 1 }) {
      throw ValidationError("--limit \(twice.optionName) is given twice")
    }
    if jobs?.isEmpty == true { throw ValidationError("--jobs needs the path of a folder") }
    if relay != nil, !limits.isEmpty {
      throw ValidationError(
        "--relay cannot be combined with --limit: use --limit on the server that the clients are passed on to"
      )
    }
    if relay != nil, audit != nil {
      throw ValidationError(
        "--relay cannot be combined with --audit: use it on the server that the clients are passed on to"
      )
    }
    if relay != nil,
      root != nil || noCommands || readOnly || spawn != nil || jobs != nil || keepJobs != nil
        || keepJobsSize != nil
    {
      throw ValidationError(
        "--relay cannot be combined with --root, --no-commands, --read-only, --spawn, --jobs, --keep-jobs or --keep-jobs-size: use them on the server that the clients are passed on to"
      )
    }
  }

  func run() async throws {
    InheritedSignals.setDispositions()
    // Its default action would end this process before it serves.
    signal(SIGUSR2, SIG_IGN)
    let predecessor = Predecessor(replaces: replace)
    let logger = EscapingLogHandler.logger(level: logLevel)
    if let relay {
      return try await BastionHost(
        backend: CurrentBackend.require(), environment: Environment.current(),
        tokenFile: tokenFile, server: relay, maxConnections: maxConnections,
        clientTimeout: clientTimeout, logger: logger
      ).serve(listen)
    }
    let host = ServerHost(
      backend: CurrentBackend.require(), environment: Environment.current(), tokenFile: tokenFile,
      loops: loops, spawn: spawn, maxConnections: maxConnections, clientTimeout: clientTimeout,
      drainLimit: drainLimit, limits: limits,
      // --read-only excludes commands: a command could change any file.
      runsCommands: !noCommands && !readOnly, isReadOnly: readOnly,
      forwardsConnections: !noForward && root == nil, jobsFolder: jobs,
      keepsJobsFor: keepJobs, keepsJobsIn: keepJobsSize,
      predecessor: predecessor,
      files: root.map(ServedFiles.init) ?? (noCommands || readOnly ? .home : .all),
      tls: ServedTLS(
        hostKeyFile: hostKeyFile, clientAuthorities: clientCa, revocationLists: clientCrl,
        authorizedKeys: authorizedKeys),
      audit: audit, isAuditRequired: auditRequired,
      policy: policy.map { ServedPolicy(path: $0) }, isHub: hubs.hub,
      dialed: try hubs.dialed(tokenFile: tokenFile, logger),
      logger: logger)
    try await host.serve(listen)
  }

  static func parseSpawnMethod(_ text: String) throws -> SpawnMethod {
    guard let method = SpawnMethod(rawValue: text) else {
      throw ValidationError("'\(text)' is not a way to start commands; use clone or uv")
    }
    return method
  }

  private static var levelNames: String {
    Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
  }

  static func parseLevel(_ text: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: text) else {
      throw ValidationError("'\(text)' is not a log level; use \(levelNames)")
    }
    return level
  }
}
