public import TelpherAccess
internal import TelpherFileStore
package import TelpherKeys
public import TelpherLink
public import TelpherTransfer
public import TelpherTransport
internal import TelpherWire

/// The settings and limits of a server. The answer to `info` lists its limits by name.
public struct ServerConfiguration: Sendable {
  /// The most authenticated connections at once; a further one is refused with a reason and closed.
  /// Each costs a descriptor and, when idle, a few KiB.
  public var maxConnections = 1_024
  /// The most connections per listener that have not authenticated yet. They do not count towards
  /// `maxConnections`. At this limit each new connection closes an old one.
  public var maxStrangers = 256
  /// The same limit for connections from one source address.
  public var maxStrangersPerSource = 192
  /// How long a client has to send its HELLO and, on TCP, its proof, in nanoseconds.
  public var helloTimeout: UInt64 = 5_000_000_000
  /// How long a client over TLS has for its HELLO with a proof by an ssh key, in nanoseconds: its user
  /// may have to type a passphrase or to touch a security key. sshd(8) allows as long
  /// (LoginGraceTime).
  public var loginTimeout: UInt64 = 120_000_000_000
  /// The most commands at once in the whole server. Each costs up to four descriptors.
  public var maxCommands = 4_096
  /// The most bytes of OPEN frames longer than 64 KiB that may be arriving at once in the whole
  /// server: eight frames of the maximum length. A connection receives one at a time. An OPEN past
  /// the limit is refused.
  public var maxOpenBytes = 8 * Int(WireConstants.maxOpenLength)
  /// The most bytes of OPEN frames whose commands are being launched, in the whole server.
  public var maxLaunchBytes = 8 * Int(WireConstants.maxOpenLength)
  /// The most open streams on one connection.
  public var maxStreams = WireConstants.defaultMaxStreams
  /// The initial window of each channel for what clients send, in bytes. While few commands run, one
  /// gets 256 KiB at its start, and 1 MiB once it has read a whole window.
  public var window = LinkConfiguration.inputWindow
  /// The initial window of a whole connection, in bytes. It grows by what commands leave unread, up
  /// to `LinkConfiguration.unreadGrowth`.
  public var connectionWindow = LinkConfiguration.inputConnectionWindow
  /// The most results of finished jobs that are kept for clients that open the job again.
  public var maxKeptResults = 1_024
  /// How long a result is kept, in nanoseconds.
  public var keepResultsFor: UInt64 = 600_000_000_000
  /// How long a detached job, or a kept job whose connection is lost, runs without a stream, in
  /// nanoseconds. Then it is ended. The default is a week, the longest time in the protocol.
  public var keepDetachedFor: UInt64 = 604_800_000_000_000
  /// How long running commands may continue after a drain begins, in nanoseconds.
  public var drainLimit: UInt64 = 10_000_000_000
  /// The token that TCP clients must know; nil refuses all TCP clients.
  public var tokens: TokenSource?
  /// Whether the token is a proof over TLS too. A server that asks for certificates does not take it:
  /// it may have a token only for its TCP clients.
  package var takesTokenOverTLS = true
  /// The ssh keys whose holders may connect over TLS; nil refuses all of them.
  package var keys: AuthorizedKeysFile?
  /// What each client may do; nil if all may do everything. Its folders take the place of `files`.
  package var policy: PolicySource?
  /// How long a connection to a replaced server may be idle, in nanoseconds. Some clients keep one for
  /// ever; this server's process would never end. It is checked six times in this time.
  package var idleAfterReplacement: UInt64 = 60_000_000_000
  /// The processes that act as other users for the policy; nil for none.
  package var accounts: (any AccountHosts)?
  /// The ssh keys of the users of the system, for a policy whose rules say `run_as: from-key`.
  package var userKeys: UserKeyFiles?
  /// Where the actions of clients are recorded; nil for nowhere.
  package var audit: AuditLog?
  /// Whether this process acts as another user for a server, and reports to it what files it writes.
  package var reportsWrites = false
  /// The environment that commands start with.
  public var environment: [SystemString: SystemString] = [:]
  /// Whether clients may run commands. A command has all the rights of this process's user: `files`
  /// and `isReadOnly` do not restrict it.
  public var runsCommands = true
  /// The limits of every command, at most one of each kind: a command gets them unless it asks for
  /// less, and a command that asks for more is refused. `Server` does not check whether the loops can
  /// enforce them: see `EventLoop.enforceableLimits`. A server that can't refuses all commands.
  public var commandLimits: [ResourceLimit] = []
  /// Whether clients may only read files, not store or change them.
  public var isReadOnly = false
  /// Serves the clients' file requests; if nil, they are refused with `whyNoFiles`.
  public var files: FileService?
  /// The reason that refuses file requests if `files` is nil.
  public var whyNoFiles = "this server has no files to serve"
  /// Whether clients may connect to addresses that this process can reach, and listen at its
  /// addresses. A client that may not run commands, or may only read, may not do that either.
  public var forwardsConnections = true
  /// Whether clients may register names, under which other clients reach them (docs/PROTOCOL.md,
  /// "Hubs"). The server only passes their bytes on.
  public var isHub = false
  /// The limits of the sockets that clients open.
  public var sockets = SocketLimits()
  /// The most transfers (`get`, `put`) at once in the whole server, each on a thread of its own, in
  /// addition to the reserved ones. Further ones wait.
  public var maxFileWorkers = WorkerPool.defaultLimit
  /// The most transfers at once on one connection, in each direction: a sixteenth of the default of
  /// `maxFileWorkers`, and more than a client needs.
  public var maxTransfersPerConnection = WireConstants.maxTransfers
  /// The transfers of each connection, in each direction, that never wait for those of other
  /// connections.
  public var reservedTransfersPerConnection = 2
  /// The most threads for listings, and as many again for `stat`, `mkdir`, `rm` and `mv`. These
  /// requests never wait for the threads of transfers, which wait for their clients.
  public var maxSmallFileWorkers = 256
  /// The most listings at once on one connection, and as many other small requests: a sixteenth of
  /// `maxSmallFileWorkers`.
  public var maxSmallFileRequestsPerConnection = 16
  /// Whether the clients are servers, which have decided what may be done: their requests have `terms`.
  package var servesServers = false
  /// What happens with requests about durable jobs.
  package var jobs = JobService.refused("this server keeps no jobs")
  /// Whether each client may read the output and the end of the owner's durable jobs, if it knows the
  /// whole id of one. It can do nothing else with them.
  package var sharesOwnersJobs = false
  /// The server's name and version in its HELLO and in the answer to `info`.
  public var name = "telpher"
  /// The timeouts and limits of each connection.
  public var link = LinkConfiguration()

  /// Creates a configuration with the defaults.
  public init() {}

  /// Whether clients may open sockets: a confined client must not reach the server's network.
  var allowsSockets: Bool { forwardsConnections && runsCommands && !isReadOnly }

  /// The limits by name, as the answer to `info` lists them.
  var limits: [String: UInt64] {
    let own: [String: UInt64] = [
      "max_connections": UInt64(maxConnections), "max_strangers": UInt64(maxStrangers),
      "max_strangers_per_source": UInt64(maxStrangersPerSource),
      "max_commands": UInt64(maxCommands), "max_open_bytes": UInt64(maxOpenBytes),
      "max_launch_bytes": UInt64(maxLaunchBytes), "max_streams": UInt64(maxStreams),
      "hello_timeout_ms": helloTimeout / 1_000_000,
      "login_timeout_ms": loginTimeout / 1_000_000, "window": window,
      "connection_window": connectionWindow, "max_kept_results": UInt64(maxKeptResults),
      "max_file_workers": UInt64(maxFileWorkers),
      "max_transfers_per_connection": UInt64(maxTransfersPerConnection),
      "reserved_transfers_per_connection": UInt64(reservedTransfersPerConnection),
      "max_small_file_workers": UInt64(maxSmallFileWorkers),
      "max_small_file_requests_per_connection": UInt64(maxSmallFileRequestsPerConnection),
      "drain_limit_ms": drainLimit / 1_000_000,
      "max_detached_ms": keepDetachedFor / 1_000_000,
    ]
    return own.merging(sockets.named) { $1 }
  }
}
