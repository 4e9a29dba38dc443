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
  /// What a proof by a secret begins with, where the transport does not tell who the peer is.
  public var auth: Auth?
  /// The server's name and version.
  public var server: String?
  /// How far the server's end of a command reaches: `cgroup`, `descendants` or `group`.
  public var killScope: String?
  /// Keys of this message that the receiver must understand.
  public var must: [String]?

  /// What a proof by a secret begins with. The secret itself is never sent.
  public struct Auth: Sendable, Equatable, Codable {
    /// 64 hexadecimal digits for 32 random bytes, fresh for each connection.
    public var nonce: String?
    /// The start of a proof.
    public init(nonce: String?) { self.nonce = nonce }

    /// Whether there is a nonce of the right length.
    var hasNonce: Bool {
      guard let nonce, nonce.utf8.count == 2 * WireConstants.nonceLength else { return false }
      return nonce.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
        default: false
        }
      }
    }
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
