/// A control message about a stream. The payload of one CONTROL holds any number of them, each with
/// a key of its own.
package enum ControlMessage: Sendable, Equatable {
  /// From the client: send this signal to the command's process group.
  case signal(Int32)
  /// From either side: stop sending on this channel.
  case stopSending(UInt8)
  /// From the client: end the command, with SIGTERM first.
  case cancel
  /// From the client: detach from a command with a `job`; it continues without this stream.
  case detach
  /// From the client: the size of its terminal.
  case resize(TerminalSize)
  /// From the client, after the bytes of a `put`: their digest, in lower-case hexadecimal.
  case digest(String)
  /// From the client, to a resumed `put`: the server's partial file does not match; the client
  /// sends the whole file.
  case restart
  /// From the server: the stream is attached to a command, or the file or socket is open.
  case opened(Opened)
  /// From the server, on a stream of `listen`: a connection was accepted and waits for a client's
  /// `accept`.
  case accepted(Accepted)
  /// From the client, on a stream of a durable job: by channel number, the offset in the command's
  /// output before which it needs nothing any more.
  case taken([String: UInt64])

  /// A connection that the server has accepted.
  package struct Accepted: Sendable, Equatable, Codable {
    /// The name by which `accept` takes it: 32 random hexadecimal digits.
    package var connection: String
    /// The other end, for the user.
    package var peer: String

    /// An accepted connection.
    package init(connection: String, peer: String) {
      self.connection = connection
      self.peer = peer
    }
  }

  /// The size of a terminal. 0 means that it is unknown.
  package struct TerminalSize: Sendable, Equatable, Codable {
    /// Lines.
    package var rows: UInt16
    /// Characters of a line.
    package var columns: UInt16
    /// The width in pixels; nil is 0.
    package var width: UInt16?
    /// The height in pixels; nil is 0.
    package var height: UInt16?

    /// A size.
    package init(rows: UInt16, columns: UInt16, width: UInt16? = nil, height: UInt16? = nil) {
      self.rows = rows
      self.columns = columns
      self.width = width
      self.height = height
    }

    /// Why this is not a size, for the peer; nil if it is.
    package var fault: String? {
      let limit = WireConstants.maxTerminalSide
      guard rows > limit || columns > limit else { return nil }
      return "a terminal has at most \(limit) rows and \(limit) columns, not \(rows) and \(columns)"
    }
  }

  /// What the server reports at the start of a stream.
  package enum Opened: Sendable, Equatable {
    /// The stream is attached to a command that an earlier OPEN started. `offsets` has, by channel
    /// number, the offset in the command's output of the first byte on this stream.
    case command(offsets: [String: UInt64])
    /// `put` with `resume`: the number of bytes that the server has already, and their digest.
    case put(committed: Int64, prefixDigest: String)
    /// `get`: the length of the file in bytes, its permission bits, the time of its last
    /// modification in nanoseconds since 1970, and the offset of the first byte that is sent.
    case get(size: Int64, mode: UInt32, mtimeNS: Int128, offset: Int64)
    /// `connect`: the address that was reached. `listen`: the address with its actual port.
    case socket(address: String)
  }

  /// Decodes the payload of a CONTROL. Returns the messages in the order in which this type declares
  /// them; a receiver handles them in that order.
  ///
  /// - Throws: `WireError` if it is not JSON of this shape.
  package static func decode(_ bytes: [UInt8]) throws(WireError) -> [ControlMessage] {
    let messages = try JSONCoding.decode(ControlPayload.self, from: bytes, name: "CONTROL").messages
    for case .resize(let size) in messages {
      if let fault = size.fault { throw WireError(.protocolError, "CONTROL: \(fault)") }
    }
    return messages
  }

  /// The payload of one CONTROL with these messages, at most one of each kind.
  package static func encode(_ messages: [ControlMessage]) -> [UInt8] {
    JSONCoding.encode(ControlPayload(messages: messages))
  }
}

/// The payload of a CONTROL: one JSON object.
private struct ControlPayload: WireMessage {
  let messages: [ControlMessage]
  /// Keys that the receiver must understand; a sender of this version sets none.
  let must: [String]?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case signal, cancel, detach, resize, digest, restart, opened, accepted, taken, must
    case stopSending = "stop_sending"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  init(messages: [ControlMessage]) {
    self.messages = messages
    must = nil
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func value<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
      try container.decodeIfPresent(Value.self, forKey: key)
    }
    // A key that is false requests nothing.
    func flag(_ key: CodingKeys, _ message: ControlMessage) throws -> ControlMessage? {
      try value(key) == true ? message : nil
    }
    let found: [ControlMessage?] = [
      try value(.signal).map(ControlMessage.signal),
      try value(.stopSending).map(ControlMessage.stopSending),
      try flag(.cancel, .cancel),
      try flag(.detach, .detach),
      try value(.resize).map(ControlMessage.resize),
      try value(.digest).map(ControlMessage.digest),
      try flag(.restart, .restart),
      try value(.opened).map(ControlMessage.opened),
      try value(.accepted).map(ControlMessage.accepted),
      try value(.taken).map(ControlMessage.taken),
    ]
    messages = found.compactMap(\.self)
    must = try value(.must)
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    for message in messages {
      switch message {
      case .signal(let number): try container.encode(number, forKey: .signal)
      case .stopSending(let channel): try container.encode(channel, forKey: .stopSending)
      case .cancel: try container.encode(true, forKey: .cancel)
      case .detach: try container.encode(true, forKey: .detach)
      case .resize(let size): try container.encode(size, forKey: .resize)
      case .digest(let digest): try container.encode(digest, forKey: .digest)
      case .restart: try container.encode(true, forKey: .restart)
      case .opened(let opened): try container.encode(opened, forKey: .opened)
      case .accepted(let accepted): try container.encode(accepted, forKey: .accepted)
      case .taken(let offsets): try container.encode(offsets, forKey: .taken)
      }
    }
  }
}

extension ControlMessage.Opened: Codable {
  private enum CodingKeys: String, CodingKey {
    case attached, offsets, committed, size, mode, offset, address
    case prefixDigest = "prefix_digest"
    case mtimeNS = "mtime_ns"
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if let committed = try container.decodeIfPresent(Int64.self, forKey: .committed) {
      self = .put(
        committed: committed,
        prefixDigest: try container.decode(String.self, forKey: .prefixDigest))
    } else if let size = try container.decodeIfPresent(Int64.self, forKey: .size) {
      self = .get(
        size: size, mode: try container.decode(UInt32.self, forKey: .mode),
        mtimeNS: try container.decode(Int128.self, forKey: .mtimeNS),
        offset: try container.decode(Int64.self, forKey: .offset))
    } else if let address = try container.decodeIfPresent(String.self, forKey: .address) {
      self = .socket(address: address)
    } else {
      _ = try container.decodeIfPresent(Bool.self, forKey: .attached)
      let offsets = try container.decodeIfPresent([String: UInt64].self, forKey: .offsets)
      self = .command(offsets: offsets ?? [:])
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .command(let offsets):
      try container.encode(true, forKey: .attached)
      try container.encode(offsets, forKey: .offsets)
    case .put(let committed, let prefixDigest):
      try container.encode(committed, forKey: .committed)
      try container.encode(prefixDigest, forKey: .prefixDigest)
    case .get(let size, let mode, let mtimeNS, let offset):
      try container.encode(size, forKey: .size)
      try container.encode(mode, forKey: .mode)
      try container.encode(mtimeNS, forKey: .mtimeNS)
      try container.encode(offset, forKey: .offset)
    case .socket(let address):
      try container.encode(address, forKey: .address)
    }
  }
}
