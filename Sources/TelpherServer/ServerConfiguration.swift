public import TelpherAccess
public import TelpherFiles
public import TelpherLink
public import TelpherTransport
internal import TelpherWire

/// What a server allows. Each limit has a name here and in the answer to `info`.
public struct ServerConfiguration: Sendable {
  /// Connections of clients that may connect, at once; past it a new one is told so and closed. Each
  /// costs a descriptor and, when idle, a few KiB.
  public var maxConnections = 1_024
  /// Connections at each listener that have not proven yet who they are, at once. They don't count
  /// for `maxConnections`: past this limit an old one is closed for a new one.
  public var maxStrangers = 256
  /// The same from one source: an address.
  public var maxStrangersPerSource = 192
  /// How long a client has for its HELLO, and for its proof, together, in nanoseconds.
  public var helloTimeout: UInt64 = 5_000_000_000
  /// Commands at once in the whole server. Each costs up to four descriptors.
  public var maxCommands = 4_096
  /// Bytes of OPENs longer than 64 KiB that may be arriving at once in the whole server: eight of the
  /// longest. A connection has one at a time; one that there is no room for is refused.
  public var maxOpenBytes = 8 * Int(WireConstants.maxOpenLength)
  /// Bytes of OPENs whose commands may be in the midst of being launched, in the whole server.
  public var maxLaunchBytes = 8 * Int(WireConstants.maxOpenLength)
  /// Streams at once on one connection.
  public var maxStreams = WireConstants.defaultMaxStreams
  /// Credit in bytes per channel for what clients send to commands, at the start: enough for a
  /// short way, and little for a command that does not read. One that has read so much gets four times
  /// that.
  public var window: UInt64 = 256 << 10
  /// The same per connection: all that a client can have the server keep for commands that do not
  /// read, sixteen of them before others have to wait.
  public var connectionWindow: UInt64 = 4 << 20
  /// Results of jobs that are kept for a client that asks again, at most.
  public var maxKeptResults = 1_024
  /// How long a result is kept, in nanoseconds.
  public var keepResultsFor: UInt64 = 600_000_000_000
  /// How long a job that its client lets go of, or keeps when the connection is lost, goes on without a
  /// stream, in nanoseconds: the longest time of the protocol, a week. Then it is ended.
  public var keepDetachedFor: UInt64 = 604_800_000_000_000
  /// How long running commands may go on once the server drains, in nanoseconds.
  public var drainLimit: UInt64 = 10_000_000_000
  /// The token that a TCP client must know; nil refuses all TCP clients.
  public var tokens: TokenSource?
  /// The environment that commands start from.
  public var environment: [SystemString: SystemString] = [:]
  /// Whether clients may run commands. A command may do whatever this process's user may: neither
  /// `files` nor `isReadOnly` confines it.
  public var runsCommands = true
  /// Whether clients may fetch files only, not store or change any.
  public var isReadOnly = false
  /// The files that clients may store and fetch; nil where there are none for them.
  public var files: FileService?
  /// What a client is told that asks for files where there are none.
  public var whyNoFiles = "this server has no files to serve"
  /// Transfers that are worked on at once, each on a thread; further ones wait in line.
  public var maxFileWorkers = WorkerPool.defaultLimit
  /// The same of one connection, each way: a sixteenth of all, and more than a client has any use for.
  public var maxTransfersPerConnection = WireConstants.maxTransfers
  /// Threads for listings, and as many for what else is asked of files and moves no bytes: these
  /// never wait for the threads of transfers, which wait for their clients.
  public var maxSmallFileWorkers = 256
  /// Listings that are worked on at once for one connection, and as many other small requests: a
  /// sixteenth of all.
  public var maxSmallFileRequestsPerConnection = 16
  /// The name and version to tell clients.
  public var name = "telpher"
  /// Times and limits of each connection.
  public var link = LinkConfiguration()

  /// The defaults.
  public init() {}

  /// The limits by name, as `info` tells them.
  var limits: [String: UInt64] {
    [
      "max_connections": UInt64(maxConnections), "max_strangers": UInt64(maxStrangers),
      "max_strangers_per_source": UInt64(maxStrangersPerSource),
      "max_commands": UInt64(maxCommands), "max_open_bytes": UInt64(maxOpenBytes),
      "max_launch_bytes": UInt64(maxLaunchBytes), "max_streams": UInt64(maxStreams),
      "hello_timeout_ms": helloTimeout / 1_000_000, "window": window,
      "connection_window": connectionWindow, "max_kept_results": UInt64(maxKeptResults),
      "max_file_workers": UInt64(maxFileWorkers),
      "max_transfers_per_connection": UInt64(maxTransfersPerConnection),
      "max_small_file_workers": UInt64(maxSmallFileWorkers),
      "max_small_file_requests_per_connection": UInt64(maxSmallFileRequestsPerConnection),
      "drain_limit_ms": drainLimit / 1_000_000,
      "max_detached_ms": keepDetachedFor / 1_000_000,
    ]
  }
}
