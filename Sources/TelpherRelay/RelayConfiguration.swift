package import TelpherAccess
package import TelpherLink
package import TelpherTransport
internal import TelpherWire

/// The settings and limits of a relay. Times are in nanoseconds.
package struct RelayConfiguration: Sendable {
  /// The address of the server, for the clients.
  package var address: String
  /// The program's version and build, for the clients.
  package var version: String
  /// The only user, besides root, whose processes may use the relay.
  package var owner: UInt32
  /// The token that clients on TCP must know; nil refuses them.
  package var tokens: TokenSource?
  /// How long the connection to the server is kept after its last use, unless the client of that use
  /// says otherwise. More than 0.
  package var keep: UInt64
  /// Where the relay still describes itself after it has stopped to accept clients, until its last
  /// client is gone; nil for nowhere.
  package var endingAddress: SocketAddress?
  /// What the process that carries the connection has printed last; empty if nothing. It is added
  /// to the reason that a lost connection gives its clients.
  package var lastWords: @Sendable () -> String = { "" }
  /// The most clients at once: a server accepts that many transfers of files on one connection.
  package var maxClients = WireConstants.maxTransfers
  /// How long a client has to send its HELLO. The one that has started the relay has no limit.
  package var helloTimeout: UInt64 = 5_000_000_000
  /// The most bytes of long OPENs that may be arriving from all clients: eight of the longest.
  package var maxOpenBytes = 8 * Int(WireConstants.maxOpenLength)
  /// The most bytes of requests and messages that may wait because the server, or a client, does
  /// not read: two of the longest OPENs.
  package var maxGatheredBytes = 2 * Int(WireConstants.maxOpenLength)
  /// The most PINGs of a client that the server has not answered.
  package var maxPings = 1_024
  /// If the server sends nothing for this long while a client waits for an answer, the relay
  /// accepts no new clients; in nanoseconds, nil for no limit. The connection stays open until its
  /// own limit, since bytes may still arrive.
  package var drainAfterSilence: UInt64?
  /// The limits of the connections to clients.
  package var link = LinkConfiguration()

  /// The default limits.
  package init(address: String, version: String, owner: UInt32, keep: UInt64) {
    self.address = address
    self.version = version
    self.owner = owner
    self.keep = keep
  }

  /// Disconnects clients that are silent for `limit`, even if their systems acknowledge data.
  package mutating func disconnectClients(silentFor limit: UInt64) {
    link.stoppedAfter = limit
    // Send a PING well before the limit: only an unanswered PING shows that the client is silent.
    link.pingAfter = min(link.pingAfter, limit / 3)
  }
}
