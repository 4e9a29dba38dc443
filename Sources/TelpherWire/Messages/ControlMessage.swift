/// A word about a stream outside of its bytes: the payload of CONTROL. A message may hold several.
public struct ControlMessage: Sendable, Equatable, WireMessage {
  /// From the client: send this signal to the command's process group.
  public var signal: Int32?
  /// From the client: end the command, politely first.
  public var cancel: Bool?
  /// From either side: the bytes of this channel are not wanted any more.
  public var stopSending: UInt8?
  /// From the client: let a command with a `job` go on without this stream.
  public var detach: Bool?
  /// From the client: the size of its terminal.
  public var resize: TerminalSize?
  /// From the client, behind the bytes of a `put`: their digest, in lower-case hexadecimal.
  public var digest: String?
  /// From the client, to a `put` that is taken up: what is there is not the file's beginning, and all
  /// of it follows.
  public var restart: Bool?
  /// From the server: the command was attached to, or the file is open.
  public var opened: Opened?
  /// Keys of this message that the receiver must understand.
  public var must: [String]?

  /// The size of a terminal in characters.
  public struct TerminalSize: Sendable, Equatable, Codable {
    /// Lines.
    public var rows: UInt16
    /// Characters a line.
    public var columns: UInt16

    /// A size.
    public init(rows: UInt16, columns: UInt16) {
      self.rows = rows
      self.columns = columns
    }
  }

  /// What the server says at the start of a stream.
  public struct Opened: Sendable, Equatable, Codable {
    /// The command was running or finished already: it was not started by this OPEN.
    public var attached: Bool?
    /// By channel: the offset in the command's output of the first byte that this stream brings.
    public var offsets: [String: UInt64]?
    /// `put` with `resume`: the bytes that are there.
    public var committed: Int64?
    /// `put` with `resume`: their digest.
    public var prefixDigest: String?
    /// `get`: the length of the file.
    public var size: Int64?
    /// `get`: its permission bits.
    public var mode: UInt32?
    /// `get`: when it was modified, in nanoseconds since 1970.
    public var mtimeNS: Int128?
    /// `get`: the offset of the first byte that is sent.
    public var offset: Int64?

    /// Word of an attached command.
    public init(attached: Bool?, offsets: [String: UInt64]?) {
      self.attached = attached
      self.offsets = offsets
    }

    /// Word of a file to be stored of which something is there.
    public init(committed: Int64, prefixDigest: String) {
      self.committed = committed
      self.prefixDigest = prefixDigest
    }

    /// Word of a file that is sent.
    public init(size: Int64, mode: UInt32, mtimeNS: Int128, offset: Int64) {
      self.size = size
      self.mode = mode
      self.mtimeNS = mtimeNS
      self.offset = offset
    }

    enum CodingKeys: String, CodingKey {
      case attached, offsets, committed, size, mode, offset
      case prefixDigest = "prefix_digest"
      case mtimeNS = "mtime_ns"
    }
  }

  /// A message with nothing in it yet.
  public init() {}

  enum CodingKeys: String, CodingKey, CaseIterable {
    case signal, cancel, detach, resize, digest, restart, opened, must
    case stopSending = "stop_sending"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  /// Reads the payload of a CONTROL.
  ///
  /// - Throws: `WireError` where it is not JSON of this shape.
  public static func decode(_ bytes: [UInt8]) throws(WireError) -> ControlMessage {
    try JSONCoding.decode(ControlMessage.self, from: bytes, name: "CONTROL")
  }

  /// The message as the payload of its frame.
  public func encoded() -> [UInt8] { JSONCoding.encode(self) }
}
