/// What a server tells of itself: the answer to `"op": "info"`.
public struct ServerInfo: Sendable, Equatable, Codable {
  /// The program and its version: `telpher 0.1.0`.
  public var server: String
  /// The protocol version.
  public var protocolVersion: Int
  /// The process id.
  public var pid: Int32
  /// The host's name.
  public var host: String
  /// The operating system and the machine: `Linux 6.1 x86_64`.
  public var system: String
  /// How far the end of a command reaches.
  public var killScope: String
  /// Since the start, in seconds.
  public var uptimeS: Double
  /// Connections that are open.
  public var connections: Int
  /// Commands that are running.
  public var running: Int
  /// Commands that were started since the start.
  public var started: UInt64
  /// The limits in force, by name.
  public var limits: [String: UInt64]

  /// An answer.
  public init(
    server: String, protocolVersion: Int, pid: Int32, host: String, system: String,
    killScope: String, uptimeS: Double, connections: Int, running: Int, started: UInt64,
    limits: [String: UInt64]
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
  }

  enum CodingKeys: String, CodingKey {
    case server, pid, host, system, connections, running, started, limits
    case protocolVersion = "protocol"
    case killScope = "kill_scope"
    case uptimeS = "uptime_s"
  }
}
