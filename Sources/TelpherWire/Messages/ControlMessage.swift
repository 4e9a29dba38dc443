/// A control message about a stream: the payload of CONTROL. One message may set several keys.
public struct ControlMessage: Sendable, Equatable, WireMessage {
  /// From the client: send this signal to the command's process group.
  public var signal: Int32?
  /// From the client: end the command, with SIGTERM first.
  public var cancel: Bool?
  /// From either side: stop sending on this channel.
  public var stopSending: UInt8?
  /// From the client: detach from a command with a `job`; it continues without this stream.
  public var detach: Bool?
  /// From the client: the size of its terminal.
  public var resize: TerminalSize?
  /// From the client, after the bytes of a `put`: their digest, in lower-case hexadecimal.
  public var digest: String?
  /// From the client, to a resumed `put`: the server's partial file does not match; the client
  /// sends the whole file.
  public var restart: Bool?
  /// From the server: the stream is attached to a command, or the file is open.
  public var opened: Opened?
  /// Keys of this message that the receiver must understand.
  public var must: [String]?

  /// The size of a terminal in characters.
  public struct TerminalSize: Sendable, Equatable, Codable {
    /// Lines.
    public var rows: UInt16
    /// Columns.
    public var columns: UInt16

    /// A size.
    public init(rows: UInt16, columns: UInt16) {
      self.rows = rows
      self.columns = columns
    }
  }

  /// What the server reports at the start of a stream.
  public struct Opened: Sendable, Equatable, Codable {
    /// Whether the stream is attached to a command that an earlier OPEN started.
    public var attached: Bool?
    /// By channel number: the offset, in the command's output, of the first byte on this stream.
    public var offsets: [String: UInt64]?
    /// `put` with `resume`: the number of bytes that the server has already.
    public var committed: Int64?
    /// `put` with `resume`: the digest of those bytes.
    public var prefixDigest: String?
    /// `get`: the length of the file.
    public var size: Int64?
    /// `get`: the permission bits of the file.
    public var mode: UInt32?
    /// `get`: the time of the last modification, in nanoseconds since 1970.
    public var mtimeNS: Int128?
    /// `get`: the offset of the first byte that is sent.
    public var offset: Int64?

    /// The report about an attached command.
    public init(attached: Bool?, offsets: [String: UInt64]?) {
      self.attached = attached
      self.offsets = offsets
    }

    /// The report about a `put` that resumes.
    public init(committed: Int64, prefixDigest: String) {
      self.committed = committed
      self.prefixDigest = prefixDigest
    }

    /// The report about a file that the server sends.
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

  /// An empty message.
  public init() {}

  enum CodingKeys: String, CodingKey, CaseIterable {
    case signal, cancel, detach, resize, digest, restart, opened, must
    case stopSending = "stop_sending"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  /// Decodes the payload of a CONTROL.
  ///
  /// - Throws: `WireError` if it is not JSON of this shape.
  public static func decode(_ bytes: [UInt8]) throws(WireError) -> ControlMessage {
    try JSONCoding.decode(ControlMessage.self, from: bytes, name: "CONTROL")
  }

  /// The payload of the frame as JSON.
  public func encoded() -> [UInt8] { JSONCoding.encode(self) }
}
