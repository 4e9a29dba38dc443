/// The first frame in each direction: the sender's version and limits (docs/PROTOCOL.md,
/// "Opening").
public struct Hello: Sendable, Equatable, WireMessage {
  /// The protocol version: 1.
  public var version: Int
  /// The longest payload of a DATA frame that the sender accepts, in bytes.
  public var maxFrame: UInt32?
  /// The initial credit in bytes that the sender grants on each channel of each stream.
  public var window: UInt64?
  /// The initial credit in bytes that the sender grants for the whole connection.
  public var connectionWindow: UInt64?
  /// The number of streams that the peer may have open at once.
  public var maxStreams: UInt32?
  /// Optional parts of the protocol that the sender supports: see `WireConstants.unaskedFiles`.
  public var features: [String]?
  /// The start of a proof, for transports that do not identify the peer.
  public var auth: Auth?
  /// From a client with signatures: the user in whose authorized_keys the key must be; any if nil.
  public var user: String?
  /// The server's name and version.
  public var server: String?
  /// Which processes of a command the server can end: `cgroup`, `descendants` or `group`.
  public var killScope: String?
  /// From a client to a relay: how long the relay keeps its connection to the server after this
  /// client, in milliseconds.
  public var keepMS: UInt64?
  /// From a client to a relay: how long the relay waits for any bytes from the server after this
  /// client's HELLO, in milliseconds. After that it ends the client's connection.
  public var answerMS: UInt64?
  /// From a relay: what it is and does.
  public var relay: Relay?
  /// Keys of this message that the receiver must understand.
  public var must: [String]?

  /// The start of a proof by a shared secret, which is never sent itself; or a proof by ssh keys.
  public struct Auth: Sendable, Equatable, Codable {
    /// 32 random bytes as 64 lower-case hexadecimal digits, new for each connection.
    public var nonce: String?
    /// From a client over TLS instead of a nonce: signatures by ssh keys, each in base64.
    public var signatures: [String]?

    /// A start with that nonce.
    package init(nonce: String?) { self.nonce = nonce }
    /// A proof by these signatures.
    package init(signatures: [String]) { self.signatures = signatures }

    /// Whether `nonce` has the right length and digits.
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

  /// A relay's description of itself: it passes the streams of its clients on to a server.
  public struct Relay: Sendable, Equatable, Codable {
    /// The address of the server.
    public var address: String
    /// The program's version and build.
    public var version: String
    /// The process id.
    public var pid: Int32
    /// The number of clients, without the one that gets this HELLO.
    public var clients: Int
    /// The number of open streams.
    public var streams: Int
    /// The time since it has connected, in milliseconds.
    public var ageMS: UInt64
    /// The time until it ends if no client uses it, in milliseconds; nil while one does.
    public var leftMS: UInt64?
    /// True if it does not accept the client that gets this HELLO; a GOAWAY follows.
    public var refuses: Bool?
    /// True if it accepts no clients any more and ends after those that it has.
    public var isEnding: Bool?

    /// A description.
    package init(
      address: String, version: String, pid: Int32, clients: Int = 0, streams: Int = 0,
      ageMS: UInt64 = 0, leftMS: UInt64? = nil, refuses: Bool? = nil,
      isEnding: Bool? = nil
    ) {
      self.address = address
      self.version = version
      self.pid = pid
      self.clients = clients
      self.streams = streams
      self.ageMS = ageMS
      self.leftMS = leftMS
      self.refuses = refuses
      self.isEnding = isEnding
    }

    enum CodingKeys: String, CodingKey {
      case address, version, pid, clients, streams, refuses
      case ageMS = "age_ms"
      case leftMS = "left_ms"
      case isEnding = "ending"
    }
  }

  /// A HELLO with this side's limits.
  package init(
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
    case version, window, features, auth, user, server, relay, must
    case maxFrame = "max_frame"
    case connectionWindow = "connection_window"
    case maxStreams = "max_streams"
    case killScope = "kill_scope"
    case keepMS = "keep_ms"
    case answerMS = "answer_ms"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  /// Decodes a peer's HELLO and checks its values against the limits.
  static func decode(_ bytes: [UInt8]) throws(WireError) -> Hello {
    let hello = try JSONCoding.decode(Hello.self, from: bytes, name: "HELLO")
    guard hello.version == WireConstants.version else {
      throw WireError(
        .protocolError,
        "protocol version \(hello.version) is not supported, only \(WireConstants.version)"
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
        throw WireError(.protocolError, "HELLO: \(key) is above the highest offset")
      }
    }
    return hello
  }

  /// The payload of the frame as JSON.
  package func encoded() -> [UInt8] { JSONCoding.encode(self) }
}
