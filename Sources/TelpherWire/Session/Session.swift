/// The protocol of one connection, without I/O: bytes in, events out; calls in, bytes out
/// (docs/PROTOCOL.md). It is the same for both ends, except that only clients open streams and only
/// servers close them.
///
/// Pass input to `nextEvent(in:at:)`. The session appends what is to be sent to `output`; the owner
/// writes and empties it. The payload of DATA is not copied into it: the owner writes it after its
/// header. After an error is thrown, only `goAway` may be called.
package struct Session: ~Copyable {
  /// Which end this is.
  package enum Role: Sendable {
    /// The end that opens streams.
    case client
    /// The end that answers and closes them.
    case server
  }

  /// Which end this is.
  package let role: Role
  /// Frames to be sent, in order.
  package var output: [UInt8] = []
  /// The peer's HELLO without what it has proved by, once it has arrived and, if a proof is required,
  /// the proof is accepted.
  package private(set) var peerHello: Hello?
  /// Whether `peerHello` is set. A separate flag, since it is read for each frame.
  package private(set) var isGreeted = false
  /// The longest payload that the peer accepts, in bytes.
  private(set) var peerMaxFrame = UInt64(WireConstants.defaultMaxFrame)
  /// Whether the peer or this side has sent a GOAWAY.
  package internal(set) var isGoingAway = false

  private var hasAnnounced = false
  /// Whether the verifier has refused the client's signatures.
  var hasRefusedSignatures = false
  var decoder: FrameDecoder
  private(set) var local: Hello
  /// The payload of this side's HELLO; empty once it is not needed any more.
  private(set) var localHello: [UInt8]
  /// Proves each side to the other; nil if the transport identifies the peer, and after the proofs.
  private(set) var prover: (any ConnectionProver)?
  /// On a server: decides about clients that prove who they are by signatures instead; nil if none may,
  /// and after the proofs.
  private(set) var verifier: (any SignatureVerifier)?
  /// The peer's HELLO and the bytes to prove, while the peer's proof is awaited.
  var unproven: (hello: Hello, transcript: [UInt8])?
  /// Frames that a client holds back until the server has proven itself.
  var held: [UInt8] = []
  var streams = StreamTable()
  /// By stream that the peer has ended: the bytes that the consumer has not taken yet. They hold
  /// credit of the connection until it takes them.
  var lingering: [StreamID: UInt64] = [:]
  /// The highest stream number that the client has used.
  var lastOpened: StreamID = 0
  /// The last stream in this side's GOAWAY; nil before one is sent. The peer assumes that higher
  /// ones were never run, so this side must not run them.
  var lastTaken: StreamID?
  var connectionSend: SendWindow
  var connectionReceive: ReceiveWindow
  /// The bytes by which windows have grown, and may still grow.
  var growth: WindowGrowth
  /// The bytes by which the connection's window has grown because bytes were not taken.
  var unread: UnreadCover
  /// The size that windows have lately grown to.
  var learned = LearnedWindow()
  var roundTrip = RoundTrip()
  /// What the peer may send on the stream that it opens next.
  var earlyReceive: EarlyWindows<ReceiveWindow>?
  /// What this side may send on the stream that it opens next.
  var earlySend: EarlyWindows<SendWindow>?
  /// The last call of `rest`: its time in nanoseconds, and the bytes that this side had sent.
  var lastRest: (time: UInt64, sent: UInt64) = (0, 0)
  /// The time in nanoseconds of a steady clock. The owner sets it before each `nextEvent(in:at:)`.
  package var time: UInt64 = 0
  /// When a client sent its HELLO; nil if unknown.
  private var startedAt: UInt64?
  /// The DATA frame that is arriving.
  var incoming: Incoming?

  /// The channel whose FIN is reported after the bytes of the same frame.
  var pendingFin: Incoming?

  struct Incoming {
    var stream: StreamID
    var channel: Channel
    /// Bytes of the frame that have not arrived yet.
    var left: UInt64
    /// Whether this side has ended the stream, so that the bytes are counted and dropped.
    var isDropped: Bool
  }

  /// A session at the start of a connection. The preface and this side's HELLO are in `output`.
  ///
  /// A server passes `announces: false` and calls `announce()` once it has accepted the client's
  /// HELLO, so that it reveals nothing to an unknown client.
  ///
  /// - Parameters:
  ///   - payload: `hello.encoded()`, if the caller has it: encoding takes a third of the time in
  ///     which a server accepts a connection.
  ///   - prover: proves this side and checks the other; `hello` then needs a nonce. Either both
  ///     sides have a prover or neither has.
  ///   - verifier: on a server, decides about a client whose HELLO has signatures. Such a client needs
  ///     no other proof; another one needs the prover's, and without a prover it is refused.
  ///   - growth: the most bytes by which this side's windows may grow together.
  ///   - unread: the most bytes, of those, by which the connection's window grows for bytes that
  ///     were not taken.
  ///   - budget: the memory that they share with those of other connections; nil for no limit.
  package init(
    role: Role, hello: Hello, payload: [UInt8]? = nil, announces: Bool = true,
    prover: (any ConnectionProver)? = nil, verifier: (any SignatureVerifier)? = nil,
    growth: UInt64 = 0, unread: UInt64 = .max, budget: (any WindowBudget)? = nil
  ) {
    precondition(prover == nil || hello.auth?.hasNonce == true, "a proof begins with a nonce")
    self.role = role
    local = hello
    localHello = payload ?? hello.encoded()
    self.prover = prover
    self.verifier = verifier
    decoder = FrameDecoder(maxFrame: hello.maxFrame ?? WireConstants.defaultMaxFrame)
    connectionSend = SendWindow(limit: WireConstants.defaultConnectionWindow)
    let window = hello.connectionWindow ?? WireConstants.defaultConnectionWindow
    connectionReceive = ReceiveWindow(size: window, longStep: 1)
    self.growth = WindowGrowth(limit: growth, budget: budget)
    self.unread = UnreadCover(window: window, limit: min(unread, growth))
    if announces { announce() }
  }

  /// A client's HELLO is sent now, at `time`.
  package mutating func didStart() { startedAt = time }

  /// Appends the preface and this side's HELLO, unless that was done before.
  ///
  /// A client whose signatures were refused gets only the preface. So the missing HELLO tells it that
  /// it may try other keys, and it learns nothing about this server.
  package mutating func announce() {
    guard !hasAnnounced else { return }
    hasAnnounced = true
    output.append(contentsOf: WireConstants.preface)
    if hasRefusedSignatures { return }
    if role == .server { decoder.acceptLongOpens() }
    Self.append(.hello, stream: 0, localHello, to: &output)
    forgetOpening()
  }

  /// Releases what only the opening needs, once it is over: most connections are idle.
  private mutating func forgetOpening() {
    guard hasAnnounced, isGreeted else { return }
    localHello = []
    local.auth = nil
    (prover, verifier) = (nil, nil)
  }

  /// Called for each OPEN longer than `WireConstants.maxShortOpenLength`, with its length in bytes,
  /// before any of it is stored: returns whether there is memory for it. The default accepts every
  /// one.
  package var admitsLongOpen: (UInt32) -> Bool {
    get { decoder.admitsLongOpen }
    set { decoder.admitsLongOpen = newValue }
  }

  /// Whether the peer's PINGs become events, which the owner answers with `pong`. PINGs that only
  /// measure the round trip of this connection are answered here in any case.
  package var passesPings = false

  /// The number of open streams.
  package var openStreams: Int { streams.count }
  /// Whether a stream is open.
  package func isOpen(_ stream: StreamID) -> Bool { streams[stream] != nil }
  /// Whether a connection may end after the input so far: between two frames, after the HELLO.
  package var isAtBoundary: Bool { decoder.isAtBoundary && isGreeted }

  mutating func didReceiveHello(_ hello: Hello) {
    peerHello = hello
    peerHello?.auth = nil
    isGreeted = true
    if let startedAt, time > startedAt { roundTrip.isAtMost(time - startedAt) }
    peerMaxFrame = UInt64(hello.maxFrame ?? WireConstants.defaultMaxFrame)
    // No DATA is sent before the peer's HELLO, so nothing has been counted against the default
    // credit.
    connectionSend = SendWindow(
      limit: hello.connectionWindow ?? WireConstants.defaultConnectionWindow)
    let window = hello.window ?? WireConstants.defaultWindow
    for state in streams.states {
      for channel in Channel.allCases { state[channel].send = SendWindow(limit: window) }
    }
    forgetOpening()
  }

  /// Whether the peer's HELLO has the feature `name`.
  func peerKnows(_ name: String) -> Bool { peerHello?.features?.contains(name) == true }

  func newStream(noInput: Bool) -> StreamState {
    StreamState(
      role: role, sendWindow: peerHello?.window ?? WireConstants.defaultWindow,
      receiveWindow: ReceiveWindow(size: local.window ?? WireConstants.defaultWindow),
      noInput: noInput)
  }

  /// Whether frames are held back because the server has not proven itself yet.
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
    FrameHeader(length: 8, stream: stream, type: type, channel: channel)
      .append(to: &output, number: number)
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
