/// Every constant of the protocol and every limit that a peer can reach, with the reason for each
/// number. docs/PROTOCOL.md is the same list for strangers.
public enum WireConstants {
  /// What each side sends first: the name and the version of the protocol.
  public static let preface: [UInt8] = Array("TELPHER1".utf8)
  /// The protocol version, as HELLO says it.
  public static let version = 1
  /// Bytes of a frame header.
  public static let headerLength = 12

  /// The longest payload accepted unless HELLO says otherwise: large enough that headers and system
  /// calls don't count, small enough that a short stream waits less than 0.2 ms for it at 2 GB/s.
  public static let defaultMaxFrame: UInt32 = 262_144
  /// The longest payload that can ever be agreed on.
  public static let hardMaxFrame: UInt32 = 16_777_215
  /// The shortest `max_frame` accepted in a HELLO: shorter frames would be mostly headers.
  public static let minMaxFrame: UInt32 = 65_536

  /// The longest HELLO: a peer that is not known yet may occupy no more.
  public static let maxHelloLength: UInt32 = 4_096
  /// The longest OPEN: all that Linux lets a command have of arguments and environment, 2 MiB by
  /// default, and what JSON adds to it. Text in which each character is escaped takes three times its
  /// bytes in UTF-8, base64 four thirds.
  public static let maxOpenLength: UInt32 = 8 << 20
  /// The longest OPEN that takes no room of what the receiver has for long ones; and the longest
  /// before the server's HELLO, by which it says that it knows the client.
  public static let maxShortOpenLength: UInt32 = 65_536
  /// The most values in the JSON of an OPEN. Linux counts 9 bytes at least for each argument and
  /// variable, so 2 MiB hold 233,016; a parser's memory grows with their number.
  public static let maxOpenValues = 262_144
  /// The longest CONTROL.
  public static let maxControlLength: UInt32 = 4_096
  /// The longest CLOSE.
  public static let maxCloseLength: UInt32 = 65_536
  /// The longest RESET and GOAWAY: a code and a sentence.
  public static let maxReasonLength: UInt32 = 1_024
  /// Bytes of a nonce, which HELLO has as twice as many hexadecimal digits.
  public static let nonceLength = 32
  /// Bytes of an AUTH: HMAC-SHA256.
  public static let proofLength = 32
  /// The longest message of an error: it may quote what the peer wrote, and goes back to it.
  public static let maxErrorLength = 512
  /// The longest `message` of a CLOSE, in bytes: it fits even where JSON writes each as six.
  public static let maxCloseMessageLength = 8_192
  /// The deepest nesting of JSON.
  public static let maxJSONDepth = 16

  /// The credit that a peer is given per channel at its start, unless HELLO says otherwise: 1 MiB
  /// is what a loopback peer can have under way without ever waiting.
  public static let defaultWindow: UInt64 = 1 << 20
  /// The same for the connection as a whole: 16 busy channels.
  public static let defaultConnectionWindow: UInt64 = 16 << 20
  /// Streams that a peer may have open at once, unless HELLO says otherwise.
  public static let defaultMaxStreams: UInt32 = 1_024
  /// Transfers of files or trees at once on one connection, each way: more than a client has any use
  /// for, and few beside the threads of a server.
  public static let maxTransfers = 64
  /// The highest offset of a window: no stream reaches it, and sums can't overflow.
  public static let maxOffset: UInt64 = 1 << 62
}

/// The number of a stream; 0 is the connection itself. A client's are odd, a server's even.
public typealias StreamID = UInt32

/// What a frame is. A type with the top bit set must be understood; others are skipped.
public struct FrameType: Sendable, Hashable {
  /// The byte in the header.
  public let rawValue: UInt8
  /// A type by its byte.
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// JSON; the first frame each way.
  public static let hello = FrameType(rawValue: 0x01)
  /// JSON; opens a stream.
  public static let open = FrameType(rawValue: 0x02)
  /// Bytes of a channel.
  public static let data = FrameType(rawValue: 0x03)
  /// u64: the offset up to which the peer may send.
  public static let window = FrameType(rawValue: 0x04)
  /// JSON; not flow-controlled.
  public static let control = FrameType(rawValue: 0x05)
  /// JSON; the result, and the last frame of a stream.
  public static let close = FrameType(rawValue: 0x06)
  /// The abrupt end of a stream.
  public static let reset = FrameType(rawValue: 0x07)
  /// 8 opaque bytes, to be answered.
  public static let ping = FrameType(rawValue: 0x08)
  /// The answer to a ping.
  public static let pong = FrameType(rawValue: 0x09)
  /// No new streams from now on.
  public static let goAway = FrameType(rawValue: 0x0A)

  /// 32 bytes: the proof that its sender knows the secret; the second frame each way where one is
  /// wanted.
  public static let auth = FrameType(rawValue: 0x0B)

  /// Whether a receiver that doesn't know the type must give up the connection.
  public var isCritical: Bool { rawValue & 0x80 != 0 }
}

/// What a stream's bytes are.
public enum Channel: UInt8, Sendable, CaseIterable {
  /// Standard input, to the command.
  case stdin = 0
  /// Standard output, from the command.
  case stdout = 1
  /// Standard error, from the command.
  case stderr = 2
  /// A terminal, both ways.
  case terminal = 3
  /// The bytes of files, both ways.
  case file = 4
  /// One JSON record a line about the files, both ways.
  case index = 5

  /// Whether bytes on it may go from client to server.
  public var clientMaySend: Bool { self != .stdout && self != .stderr }
  /// Whether bytes on it may go from server to client.
  public var serverMaySend: Bool { self != .stdin }
}

/// Bits of the header's flags byte. Their meaning depends on the frame's type.
public enum FrameFlags {
  /// On DATA: this channel ends here.
  public static let fin: UInt8 = 0x01
  /// On DATA: the payload is one zstd frame. Only if both sides said `zstd`, which Telpher doesn't.
  public static let zstd: UInt8 = 0x02
  /// On OPEN: channel 0 is already at its end.
  public static let noInput: UInt8 = 0x01
}
