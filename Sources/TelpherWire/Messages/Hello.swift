/// The first frame each way: who speaks, and what it can take (docs/PROTOCOL.md, "Opening").
public struct Hello: Sendable, Equatable, WireMessage {
  /// The protocol version: 1.
  public var version: Int
  /// The longest payload of a DATA frame that the sender accepts, in bytes.
  public var maxFrame: UInt32?
  /// Credit in bytes that the sender grants on every channel of every stream at its start.
  public var window: UInt64?
  /// The same for the connection as a whole.
  public var connectionWindow: UInt64?
  /// Streams that the peer may have open at once.
  public var maxStreams: UInt32?
  /// Optional parts of the protocol that the sender speaks. None is defined yet.
  public var features: [String]?
  /// The client's proof of who it is, where the transport doesn't tell.
  public var auth: Auth?
  /// The server's name and version.
  public var server: String?
  /// How far the server's end of a command reaches: `cgroup`, `descendants` or `group`.
  public var killScope: String?
  /// Keys of this message that the receiver must understand.
  public var must: [String]?

  /// A client's proof of who it is.
  public struct Auth: Sendable, Equatable, Codable {
    /// The server's token, as 64 hexadecimal digits.
    public var token: String?
    /// A proof by token.
    public init(token: String?) { self.token = token }
  }

  /// A HELLO that says what this side can take.
  public init(
    maxFrame: UInt32 = WireConstants.defaultMaxFrame,
    window: UInt64 = WireConstants.defaultWindow,
    connectionWindow: UInt64 = WireConstants.defaultConnectionWindow,
    maxStreams: UInt32 = WireConstants.defaultMaxStreams,
    auth: Auth? = nil, server: String? = nil, killScope: String? = nil
  ) {
    version = WireConstants.version
    self.maxFrame = maxFrame
    self.window = window
    self.connectionWindow = connectionWindow
    self.maxStreams = maxStreams
    self.auth = auth
    self.server = server
    self.killScope = killScope
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case version, window, features, auth, server, must
    case maxFrame = "max_frame"
    case connectionWindow = "connection_window"
    case maxStreams = "max_streams"
    case killScope = "kill_scope"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  /// Reads a peer's HELLO and checks what it says against the limits.
  static func decode(_ bytes: [UInt8]) throws(WireError) -> Hello {
    let hello = try JSONCoding.decode(Hello.self, from: bytes, name: "HELLO")
    guard hello.version == WireConstants.version else {
      throw WireError(
        .protocolError, "version \(hello.version) is not spoken here, only \(WireConstants.version)"
      )
    }
    if let frame = hello.maxFrame,
      frame < WireConstants.minMaxFrame || frame > WireConstants.hardMaxFrame
    {
      throw WireError(
        .protocolError,
        "HELLO: max_frame is \(frame), not between \(WireConstants.minMaxFrame) and \(WireConstants.hardMaxFrame)"
      )
    }
    for (key, value) in [("window", hello.window), ("connection_window", hello.connectionWindow)] {
      if let value, value > WireConstants.maxOffset {
        throw WireError(.protocolError, "HELLO: \(key) is past the highest offset")
      }
    }
    return hello
  }

  /// The message as the payload of its frame.
  public func encoded() -> [UInt8] { JSONCoding.encode(self) }
}
