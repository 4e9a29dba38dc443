/// Every constant of the protocol and every limit that a peer can reach, with the reason for each
/// number. docs/PROTOCOL.md lists them for other implementations.
package enum WireConstants {
  /// The longest id of a command in a request: a client's `job` has 32 bytes, a number at most 20.
  package static let maxCommandIDLength = 64
  /// The signals of Linux (signal(7)).
  package static let signals: ClosedRange<Int32> = 1...64
  /// How many bytes of a command's arguments an answer to `ps` contains at most: enough to recognize
  /// the command, and so little that many commands fit into one CLOSE.
  package static let maxListedArguments = 512
  /// The longest list of commands in an answer to `ps`, in bytes: with the other keys it fits into a
  /// CLOSE. The client asks again for the rest.
  package static let maxCommandListLength = 48 << 10
  /// The first bytes that each side sends: the name and the version of the protocol.
  package static let preface: [UInt8] = Array("TELPHER1".utf8)
  /// The protocol version in HELLO.
  package static let version = 1
  /// The length of a frame header in bytes.
  package static let headerLength = 12

  /// The default for `max_frame`, in bytes: large enough that the cost of headers and system calls
  /// is negligible, small enough that a short stream waits less than 0.2 ms for one frame at 2
  /// GB/s.
  package static let defaultMaxFrame: UInt32 = 262_144
  /// The largest `max_frame` accepted in a HELLO.
  package static let hardMaxFrame: UInt32 = 16_777_215
  /// The smallest `max_frame` accepted in a HELLO: shorter frames would be mostly headers.
  package static let minMaxFrame: UInt32 = 65_536

  /// The longest HELLO in bytes: an unknown peer may occupy no more memory.
  package static let maxHelloLength: UInt32 = 4_096
  /// The longest OPEN in bytes: the most arguments and environment that Linux allows a command, 2
  /// MiB by default, plus what JSON adds. Text with every character escaped takes three times its
  /// UTF-8 bytes, base64 four thirds.
  package static let maxOpenLength: UInt32 = 8 << 20
  /// The longest OPEN, in bytes, that needs no reservation in the receiver's budget for long ones.
  /// Also the longest OPEN accepted before the server has sent its HELLO, which shows that it
  /// accepts the client.
  package static let maxShortOpenLength: UInt32 = 65_536
  /// The most values in the JSON of an OPEN. Linux counts at least 9 bytes for each argument and
  /// variable, so 2 MiB hold 233,016; a parser's memory grows with their number.
  package static let maxOpenValues = 262_144
  /// The most keys of one object in a message. Decoding takes more than a microsecond for each, and no
  /// other client is served meanwhile. An environment has some hundred variables.
  package static let maxObjectKeys = 4_096
  /// The longest CONTROL in bytes.
  package static let maxControlLength: UInt32 = 4_096
  /// The longest CLOSE in bytes.
  package static let maxCloseLength: UInt32 = 65_536
  /// The longest RESET and GOAWAY in bytes: numbers and a sentence.
  package static let maxReasonLength: UInt32 = 1_024
  /// The last stream in a GOAWAY that only asks the client to leave: all streams are still taken.
  package static let noLastStream: UInt32 = .max
  /// The length of a nonce in bytes. HELLO carries it as twice as many hexadecimal digits.
  package static let nonceLength = 32
  /// The length of an AUTH in bytes: HMAC-SHA256.
  package static let proofLength = 32
  /// The longest error message in bytes. It has a limit because it may quote the peer's input and
  /// is sent back.
  package static let maxErrorLength = 512
  /// The longest `message` of a CLOSE in bytes: it fits into a CLOSE even if JSON writes each byte
  /// as six.
  package static let maxCloseMessageLength = 8_192
  /// The deepest nesting of JSON.
  package static let maxJSONDepth = 16

  /// The default for `window`, the initial credit of each channel in bytes: 1 MiB is what a
  /// loopback peer can have in flight without waiting.
  package static let defaultWindow: UInt64 = 1 << 20
  /// The default for `connection_window` in bytes: 16 busy channels.
  package static let defaultConnectionWindow: UInt64 = 16 << 20
  /// The default for `max_streams`, the number of streams that a peer may have open at once.
  package static let defaultMaxStreams: UInt32 = 1_024
  /// The name of a server's feature in HELLO: it knows the key `unasked` of trees.
  package static let unaskedFiles = "unasked_files"
  /// The name of a server's feature in HELLO: it knows the key `name` of `put_tree`.
  package static let namedPuts = "named_puts"
  /// The name of a client's feature in HELLO: it takes WINDOW for the stream that it opens next.
  package static let earlyWindows = "early_windows"
  /// The name of a feature in HELLO of either side: it knows RETURN.
  package static let returnedCredit = "returned_credit"
  /// The name of a server's feature in HELLO: it knows the operation `check` of sockets.
  package static let socketChecks = "socket_checks"
  /// The most concurrent transfers of files or trees on one connection, in each direction: more
  /// than a client needs, and few compared with a server's threads.
  package static let maxTransfers = 64
  /// The most rows and the most columns of a terminal: more than any screen has. Programs allocate
  /// memory for each cell.
  package static let maxTerminalSide: UInt16 = 10_000
  /// The longest name of a terminal's type in bytes: longer than any in terminfo(5).
  package static let maxTerminalTypeLength = 128
  /// The highest offset of a window, in bytes: no stream reaches it, and sums can't overflow.
  package static let maxOffset: UInt64 = 1 << 62
}

/// The number of a stream; 0 is the connection itself. A client opens odd numbers, a server even
/// ones.
package typealias StreamID = UInt32

/// The type of a frame. A receiver must understand a type with the top bit set; it skips other
/// unknown types.
package struct FrameType: Sendable, Hashable {
  /// The byte in the header.
  package let rawValue: UInt8
  /// A type by its byte.
  @inlinable package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// JSON; the first frame in each direction.
  package static let hello = FrameType(rawValue: 0x01)
  /// JSON; opens a stream.
  package static let open = FrameType(rawValue: 0x02)
  /// Bytes of a channel.
  package static let data = FrameType(rawValue: 0x03)
  /// u64: the offset up to which the peer may send.
  package static let window = FrameType(rawValue: 0x04)
  /// JSON; not flow-controlled.
  package static let control = FrameType(rawValue: 0x05)
  /// JSON; the result, and the last frame of a stream.
  package static let close = FrameType(rawValue: 0x06)
  /// The abrupt end of a stream.
  package static let reset = FrameType(rawValue: 0x07)
  /// 8 opaque bytes; the receiver answers with a PONG.
  package static let ping = FrameType(rawValue: 0x08)
  /// The answer to a PING.
  package static let pong = FrameType(rawValue: 0x09)
  /// The sender accepts no new streams.
  package static let goAway = FrameType(rawValue: 0x0A)

  /// 32 bytes: the proof that the sender knows the secret. If a proof is required, it is the second
  /// frame in each direction.
  package static let auth = FrameType(rawValue: 0x0B)

  /// u64: the bytes of the connection's credit that the sender gives back.
  package static let giveBack = FrameType(rawValue: 0x0C)

  /// Whether a receiver that doesn't know the type must end the connection.
  package var isCritical: Bool { rawValue & 0x80 != 0 }
}

/// The kind of bytes within a stream.
package enum Channel: UInt8, Sendable, CaseIterable {
  /// Standard input, to the command.
  case stdin = 0
  /// Standard output, from the command.
  case stdout = 1
  /// Standard error, from the command.
  case stderr = 2
  /// Reserved. A terminal's bytes are on `stdin` and `stdout`.
  case terminal = 3
  /// The bytes of files, both ways.
  case file = 4
  /// Records about the files, one line of JSON each, both ways.
  case index = 5

  /// Whether the client may send on it.
  package var clientMaySend: Bool { self != .stdout && self != .stderr }
  /// Whether the server may send on it.
  package var serverMaySend: Bool { self != .stdin }
}

/// Bits of the header's flags byte. Their meaning depends on the frame's type.
package enum FrameFlags {
  /// On DATA: the channel ends after this frame.
  package static let fin: UInt8 = 0x01
  /// On DATA: the payload is one zstd frame. Allowed only if both sides announced `zstd`, which
  /// Telpher doesn't.
  package static let zstd: UInt8 = 0x02
  /// On OPEN: channel 0 (standard input) is already at its end.
  package static let noInput: UInt8 = 0x01
}
