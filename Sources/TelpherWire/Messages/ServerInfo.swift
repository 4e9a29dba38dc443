/// A server's description of itself: the answer to `"op": "info"`.
public struct ServerInfo: Sendable, Equatable, Codable {
  /// The program and its version, such as `telpher 0.1.0`.
  public var server: String
  /// The protocol version.
  public var protocolVersion: Int
  /// The process id.
  public var pid: Int32
  /// The host's name.
  public var host: String
  /// The operating system and the architecture, such as `Linux 6.1 x86_64`.
  public var system: String
  /// Which processes of a command the server can end: see `Hello.killScope`.
  public var killScope: String
  /// The time since the server's start, in seconds.
  public var uptimeS: Double
  /// The number of open connections.
  public var connections: Int
  /// The number of running commands.
  public var running: Int
  /// The number of commands started since the server's start.
  public var started: UInt64
  /// The limits in force, by name.
  public var limits: [String: UInt64]
  /// The names of the limits that the server can enforce for a command: see
  /// `ResourceLimit.Kind`. Nil from a server that does not say.
  public var enforceableLimits: [String]?
  /// The limits of `serve --limit` by name. A command gets each of them, unless it asks for a
  /// stricter one.
  public var commandLimits: [String: UInt64]?
  /// The cipher and the group of the TLS connection on which the server was asked, such as
  /// `TLS_AES_128_GCM_SHA256, x25519`. Nil without TLS.
  public var tls: String?
  /// The user of the server's system whom the client is: the one in whose authorized_keys its ssh key is.
  /// Nil for a client that is none, such as the server's owner.
  public var user: String?

  /// An answer.
  package init(
    server: String, protocolVersion: Int, pid: Int32, host: String, system: String,
    killScope: String, uptimeS: Double, connections: Int, running: Int, started: UInt64,
    limits: [String: UInt64], enforceableLimits: [String]? = nil,
    commandLimits: [String: UInt64]? = nil
  ) {
    self.server = server
    self.protocolVersion = protocolVersion
    self.pid = pid
    self.host = host
    self.system = system
    self.killScope = killScope
    self.uptimeS = uptimeS
    self.connections = connections
    self.running = running
    self.started = started
    self.limits = limits
    self.enforceableLimits = enforceableLimits
    self.commandLimits = commandLimits
  }

  enum CodingKeys: String, CodingKey {
    case server, pid, host, system, connections, running, started, limits, tls, user
    case protocolVersion = "protocol"
    case killScope = "kill_scope"
    case uptimeS = "uptime_s"
    case enforceableLimits = "enforceable_limits"
    case commandLimits = "command_limits"
  }
}
