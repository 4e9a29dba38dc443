/// One connection's protocol, without I/O: bytes in, events out; calls in, bytes out
/// (docs/PROTOCOL.md). The same for both ends, but for who opens streams and who closes them.
///
/// Input goes through `nextEvent(in:at:)`. What is to be sent is appended to `output`, which the
/// owner writes and empties; payload of DATA follows its header from the owner's own memory.
/// After an error is thrown only `goAway` makes sense.
public struct Session: ~Copyable {
  /// Which end this is.
  public enum Role: Sendable {
    /// Opens streams.
    case client
    /// Answers them.
    case server
  }

  /// Which end this is.
  public let role: Role
  /// Frames to be sent, in order.
  public var output: [UInt8] = []
  /// The peer's HELLO, once it came and was proven if a proof is wanted.
  public private(set) var peerHello: Hello?
  /// Whether that is so; beside `peerHello` since it is asked for each frame.
  private(set) var isGreeted = false
  /// The longest payload that the peer accepts.
  private(set) var peerMaxFrame = UInt64(WireConstants.defaultMaxFrame)
  /// Whether the peer said that it takes no new streams, or this side did.
  public internal(set) var isGoingAway = false

  private var hasAnnounced = false
  var decoder: FrameDecoder
  let local: Hello
  /// The payload of this side's HELLO.
  let localHello: [UInt8]
  /// What each side proves to the other before anything else is said; nil where the transport tells
  /// who the peer is.
  let prover: (any ConnectionProver)?
  /// The peer's HELLO, and what both have said, while the peer's proof is awaited.
  var unproven: (hello: Hello, transcript: [UInt8])?
  /// What a client has to say, and does not before the server has proven itself.
  var held: [UInt8] = []
  var streams: [StreamID: StreamState] = [:]
  /// Bytes of streams that the peer ended which the consumer has not taken yet: they hold credit of
  /// the connection until it does.
  var lingering: [StreamID: UInt64] = [:]
  /// The highest stream that the client opened.
  var lastOpened: StreamID = 0
  /// The stream that this side's GOAWAY named as the last: the peer takes those above it for not
  /// run, so they must not be.
  var lastTaken: StreamID?
  /// What each channel's window has grown to.
  var streamWindow: UInt64 = 0
  var connectionSend: SendWindow
  var connectionReceive: ReceiveWindow
  /// The DATA frame whose pieces are coming.
  var incoming: Incoming?

  /// The channel whose FIN is to be told after the bytes that came with it.
  var pendingFin: Incoming?

  struct Incoming {
    var stream: StreamID
    var channel: Channel
    /// Bytes of the frame that are still to come.
    var left: UInt64
    /// The stream is over on this side; its bytes are counted and dropped.
    var isDropped: Bool
  }

  /// A connection at its start: the preface and this side's HELLO stand in `output`.
  ///
  /// A server passes `announces: false` and calls `announce()` when it has seen the client's HELLO,
  /// so that a stranger is told nothing.
  ///
  /// - Parameter prover: proves this side and checks the other; `hello` needs a nonce then. Both
  ///   sides must have one, or neither.
  public init(
    role: Role, hello: Hello, announces: Bool = true, prover: (any ConnectionProver)? = nil
  ) {
    precondition(prover == nil || hello.auth?.hasNonce == true, "a proof begins with a nonce")
    self.role = role
    local = hello
    localHello = hello.encoded()
    self.prover = prover
    decoder = FrameDecoder(maxFrame: hello.maxFrame ?? WireConstants.defaultMaxFrame)
    connectionSend = SendWindow(limit: WireConstants.defaultConnectionWindow)
    connectionReceive = ReceiveWindow(
      size: hello.connectionWindow ?? WireConstants.defaultConnectionWindow)
    if announces { announce() }
  }

  /// Sends the preface and this side's HELLO, where they were not sent yet.
  public mutating func announce() {
    guard !hasAnnounced else { return }
    hasAnnounced = true
    if role == .server { decoder.acceptLongOpens() }
    output.append(contentsOf: WireConstants.preface)
    Self.append(.hello, stream: 0, localHello, to: &output)
  }

  /// Asked about each OPEN that is longer than `WireConstants.maxShortOpenLength`, with its length,
  /// before any of it is kept: whether there is room for it. By default there always is.
  public var admitsLongOpen: (UInt32) -> Bool {
    get { decoder.admitsLongOpen }
    set { decoder.admitsLongOpen = newValue }
  }

  /// The number of streams that are open.
  public var openStreams: Int { streams.count }
  /// Whether a stream is open.
  public func isOpen(_ stream: StreamID) -> Bool { streams[stream] != nil }
  /// Whether the input so far ends where a connection may end: between frames, HELLO seen.
  public var isAtBoundary: Bool { decoder.isAtBoundary && isGreeted }

  mutating func didReceiveHello(_ hello: Hello) {
    peerHello = hello
    isGreeted = true
    peerMaxFrame = UInt64(hello.maxFrame ?? WireConstants.defaultMaxFrame)
    // No DATA goes before the peer's HELLO, so nothing was counted against the defaults yet.
    connectionSend = SendWindow(
      limit: hello.connectionWindow ?? WireConstants.defaultConnectionWindow)
    let window = hello.window ?? WireConstants.defaultWindow
    for state in streams.values {
      for channel in Channel.allCases { state[channel].send = SendWindow(limit: window) }
    }
  }

  func newStream(noInput: Bool) -> StreamState {
    let granted = local.window ?? WireConstants.defaultWindow
    return StreamState(
      role: role, sendWindow: peerHello?.window ?? WireConstants.defaultWindow,
      receiveWindow: ReceiveWindow(limit: granted, size: max(granted, streamWindow)),
      noInput: noInput)
  }

  /// Whether the server has still to prove itself, so that it is told nothing.
  private var holdsBack: Bool { !isGreeted && prover != nil && role == .client }

  mutating func append(
    _ type: FrameType, stream: StreamID, flags: UInt8 = 0, channel: UInt8 = 0, _ payload: [UInt8]
  ) {
    if holdsBack {
      Self.append(type, stream: stream, flags: flags, channel: channel, payload, to: &held)
    } else {
      Self.append(type, stream: stream, flags: flags, channel: channel, payload, to: &output)
    }
  }

  mutating func append(
    _ type: FrameType, stream: StreamID, channel: UInt8 = 0, number: UInt64
  ) {
    if holdsBack {
      let payload = withUnsafeBytes(of: number.bigEndian) { Array($0) }
      return Self.append(type, stream: stream, channel: channel, payload, to: &held)
    }
    FrameHeader(length: 8, stream: stream, type: type, channel: channel).append(to: &output)
    withUnsafeBytes(of: number.bigEndian) { output.append(contentsOf: $0) }
  }

  static func append(
    _ type: FrameType, stream: StreamID, flags: UInt8 = 0, channel: UInt8 = 0, _ payload: [UInt8],
    to out: inout [UInt8]
  ) {
    FrameHeader(
      length: UInt32(payload.count), stream: stream, type: type, flags: flags, channel: channel
    ).append(to: &out)
    out.append(contentsOf: payload)
  }
}
