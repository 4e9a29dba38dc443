internal import TelpherForward

/// The limits of the sockets that clients open through a server. The answer to `info` lists them.
public struct SocketLimits: Sendable {
  /// The most sockets at once in the whole server: connections that are being made, that wait for
  /// their clients' `accept`, or that are open. Each costs a descriptor and up to two windows.
  public var maxSockets = 4_096
  /// The most sockets at once on one connection: half of the default of `max_streams`, so that a
  /// client can still run commands.
  public var maxSocketsPerConnection = 512
  /// The most listening sockets on one connection: more than a user needs.
  public var maxListenersPerConnection = 32
  /// The most accepted connections of one listening socket that wait for their client's `accept`,
  /// except for up to 64 more that are being accepted when the limit is reached. They include those
  /// that `maxSockets` refuses. Further ones wait in the system's queue.
  public var maxUnclaimed = 64
  /// How long an accepted connection waits for its client's `accept`, in nanoseconds: enough for
  /// several round trips on the slowest link.
  public var claimTimeout: UInt64 = 30_000_000_000
  /// The most names that are registered at a hub at once: each is an idle connection, of which the server
  /// takes as many by default.
  public var maxHubNames = 1_024
  /// The most names of one identity: a quarter of all, because the servers of a fleet may share a key.
  public var maxHubNamesPerIdentity = 256
  /// How long a client of a hub waits for the registered server to take its connection, in nanoseconds:
  /// less than the ten seconds that a client waits by default, so that it learns the reason.
  public var hubAnswerTimeout: UInt64 = 8_000_000_000
  /// How long a connect may take, with the lookup of its host, in nanoseconds.
  public var connectTimeout = SocketDefaults.connectTimeout
  /// The most host names that are looked up at once in the whole server; each takes a thread.
  public var maxLookups = SocketDefaults.maxLookups

  /// Creates the defaults.
  public init() {}

  /// The limits by name, as the answer to `info` lists them.
  var named: [String: UInt64] {
    [
      "max_sockets": UInt64(maxSockets),
      "max_sockets_per_connection": UInt64(maxSocketsPerConnection),
      "max_listeners_per_connection": UInt64(maxListenersPerConnection),
      "max_unclaimed": UInt64(maxUnclaimed), "max_lookups": UInt64(maxLookups),
      "max_hub_names": UInt64(maxHubNames),
      "max_hub_names_per_identity": UInt64(maxHubNamesPerIdentity),
      "hub_answer_timeout_ms": hubAnswerTimeout / 1_000_000,
      "claim_timeout_ms": claimTimeout / 1_000_000,
      "connect_timeout_ms": connectTimeout / 1_000_000,
    ]
  }
}
