internal import DequeModule
public import TelpherTransport
public import TelpherWire

/// One connection as both ends see it: drives the wire's session over a byte stream. It reads and
/// hands events to its delegate, gathers small frames, lets streams take turns, waits for credit,
/// and notices a silent peer. On its loop's thread only.
///
/// Small frames of one turn of the loop go out together at the turn's end; DATA with a large payload
/// goes at once, together with what was gathered before it, in one system call.
public final class Link: TurnEndTask {
  /// Where it is in its life.
  enum State {
    /// Works. Next: `ending` or `ended`.
    case open
    /// What is queued is sent, the peer's end is awaited, input is dropped. Next: `ended`.
    case ending(LinkEnd)
    /// Closed; the delegate was told.
    case ended
  }

  /// How far the peer's HELLO has come, which has a limit of time at a client. A server's own
  /// strangers have theirs in its configuration.
  private enum Opening {
    /// It is not awaited yet. Next: `arrives`.
    case silent
    /// It must come before `timer` fires. Next: `done`.
    case arrives(timer: any LoopTimer)
    /// It has come, or has no limit here.
    case done
  }

  /// The loop it lives on.
  public let loop: any EventLoop
  /// Who is at the other end, by the word of the system.
  public var peer: PeerIdentity { stream.peer }
  /// Bytes that came in.
  public private(set) var bytesReceived: UInt64 = 0

  var session: Session
  let stream: any ByteStream
  let configuration: LinkConfiguration
  weak var delegate: (any LinkDelegate)?
  var state = State.open
  /// The stream's queue holds bytes: nothing is written until it says that it is writable.
  var isBlocked = false
  var isFlushScheduled = false
  var hasFinishedWriting = false
  var isReadingPaused = false
  /// Nothing that is written arrives any more.
  var hasWriteFailed = false
  /// The peer has ended its side; only what is queued here is still to go.
  var hasPeerEnded = false
  /// The connection's window was raised in this read.
  var hasNewCredit = false
  /// The stream that had new credit of the connection first the last time.
  var lastResumed: StreamID = 0
  /// Channels with work, in the order of their turns.
  var queue: Deque<OutboundChannel> = []
  var channels: [StreamID: [OutboundChannel]] = [:]
  private var probe: WindowProbe
  private var timer: (any LoopTimer)?
  private var opening: Opening
  var lastReceived: UInt64
  private var goAway: (ErrorCode, String)?
  /// A PING was sent since something came last.
  private var hasAsked = false
  /// Bytes of `LinkConfiguration.openRoom` that the OPEN which is arriving has.
  private var openRoomTaken = 0

  /// Whether a connection that this side ends because of a fault waits for the peer's end, so that
  /// the peer surely reads why. A server doesn't wait for strangers: each would hold a descriptor
  /// for that long.
  public var lingersAfterFault = true

  /// A link over a fresh connection; nothing happens before `start(delegate:)`.
  ///
  /// - Parameter prover: what each side proves to the other before all else; nil if none is wanted.
  public init(
    role: Session.Role, stream: any ByteStream, loop: any EventLoop, hello: Hello,
    prover: (any ConnectionProver)? = nil, configuration: LinkConfiguration = LinkConfiguration()
  ) {
    self.loop = loop
    self.stream = stream
    self.configuration = configuration
    session = Session(
      role: role, hello: hello, announces: role == .client, prover: prover)
    opening = role == .client ? .silent : .done
    lastReceived = loop.now
    probe = WindowProbe(
      window: hello.window ?? WireConstants.defaultWindow, maxWindow: configuration.maxWindow)
  }

  /// Begins to read and, on a client, says HELLO. The delegate is not retained.
  public func start(delegate: any LinkDelegate) {
    self.delegate = delegate
    session.admitsLongOpen = { [unowned self] length in
      guard let room = configuration.openRoom else { return true }
      guard room.take(Int(length)) else { return false }
      openRoomTaken = Int(length)
      return true
    }
    stream.onRead = { [unowned self] chunk in receive(chunk) }
    stream.onEnd = { [unowned self] error in didEndReading(error) }
    stream.onWritable = { [unowned self] in didBecomeWritable() }
    stream.onWriteFailure = { [unowned self] error in
      writingDidFail(error)
    }
    if case .silent = opening, !configuration.openingBeginsWithFirstByte { beginOpening() }
    stream.resumeReading()
    armKeepalive()
    scheduleFlush()
  }

  /// Whether frames still go both ways.
  public var isOpen: Bool {
    if case .open = state { true } else { false }
  }

  /// Whether bytes of the peer have arrived that were not read yet.
  public var hasUnreadBytes: Bool { stream.unreadBytes > 0 }

  /// The peer's HELLO, once it came.
  public var peerHello: Hello? { session.peerHello }
  /// The number of streams that are open.
  public var openStreams: Int { session.openStreams }

  /// Ends the connection in order: what is queued goes out, then the peer's end is awaited for a
  /// while. All streams end.
  public func finish() { beginEnding(.closed) }

  /// Ends the connection with a GOAWAY that says why. See `lingersAfterFault`.
  public func fail(_ error: WireError) {
    guard isOpen else { return }
    session.goAway(error.code, reason: error.message)
    guard lingersAfterFault else {
      if !isBlocked { writeOutput() }
      return end(.peerFault(error))
    }
    beginEnding(.peerFault(error))
  }

  /// Closes the connection at once, whatever is queued.
  public func abort() { end(.closed) }

  /// Gives the connection up for lost, for a reason that a person can read.
  public func lose(_ reason: String) { end(.lost(reason)) }

  /// When the peer was heard last, on the loop's clock. What has arrived and was not read counts as
  /// heard now, and so does everything while this side reads nothing.
  public var lastHeard: UInt64 { hasUnreadBytes || isReadingPaused ? loop.now : lastReceived }

  /// Whether this side's HELLO was sent.
  var hasAnnounced = false

  /// What the peer sent before it went may still say why, so the end is left to reading; but not
  /// for ever.
  private func writingDidFail(_ error: TransportError) {
    if case .ending(let reason) = state { return end(reason) }
    let lost = LinkEnd.lost("the connection broke: \(error.message)")
    hasWriteFailed = true
    isBlocked = true
    if isReadingPaused { return end(lost) }
    timer?.cancel()
    timer = loop.schedule(after: configuration.lingerFor) { [unowned self] in end(lost) }
  }

  func beginEnding(_ end: LinkEnd) {
    guard isOpen else { return }
    state = .ending(end)
    dropChannels()
    finishWriting()
    if isReadingPaused { stream.resumeReading() }
    timer?.cancel()
    timer = loop.schedule(after: configuration.lingerFor) { [unowned self] in self.end(end) }
  }

  func end(_ reason: LinkEnd) {
    if case .ended = state { return }
    state = .ended
    endOpening()
    timer?.cancel()
    timer = nil
    dropChannels()
    giveBackOpenRoom()
    stream.close()
    let delegate = delegate
    self.delegate = nil
    delegate?.link(self, didEnd: reason)
  }

  private func dropChannels() {
    for list in channels.values { list.forEach { $0.cancel() } }
    channels = [:]
    queue = []
  }

  // MARK: Reading

  private func receive(_ chunk: Chunk) {
    bytesReceived += UInt64(chunk.count)
    lastReceived = loop.now
    hasAsked = false
    guard isOpen else { return }
    if case .silent = opening {
      opening = .arrives(timer: limitOpening(configuration.openingLimit))
    }
    do throws(WireError) {
      try chunk.withUnsafeBytes { (bytes) throws(WireError) in
        var position = 0
        while isOpen, let event = try session.nextEvent(in: bytes, at: &position) {
          handle(event, chunk)
        }
      }
    } catch {
      fail(error)
    }
    useNewCredit()
    scheduleFlush()
  }

  private func handle(_ event: SessionEvent, _ chunk: Chunk) {
    switch event {
    case .data(let stream, let channel, let range):
      if probe.didReceive(range.count, at: loop.now) { session.ping(WindowProbe.number) }
      delegate?.link(self, didReceive: chunk.slice(range), on: stream, channel)
    case .fin(let stream, let channel):
      delegate?.link(self, didFinish: channel, of: stream)
    case .credit(let stream, let channel):
      didReceiveCredit(stream, channel)
    case .open(let stream, let request, let noInput):
      delegate?.link(self, didOpen: stream, request: request, noInput: noInput)
      giveBackOpenRoom()
    case .openPastLimit(let stream):
      close(
        stream,
        CloseResult(.refused, message: "too many streams at once on this connection: wait for one"))
    case .openWithoutRoom(let stream):
      close(
        stream,
        CloseResult(
          .refused, message: "the server has no room for such a long request now: try again later"))
    case .control(let stream, let message):
      delegate?.link(self, didReceiveControl: message, for: stream)
    case .close(let stream, let result):
      forget(stream)
      delegate?.link(self, didClose: stream, result: result)
    case .reset(let stream, let code, let reason):
      forget(stream)
      delegate?.link(self, didReset: stream, code, reason: reason)
    case .pong(WindowProbe.number):
      if let window = probe.didReceiveAnswer(at: loop.now) { session.growWindows(to: window) }
    case .pong(let number):
      delegate?.link(self, didReceivePong: number)
    case .hello(let hello):
      endOpening()
      delegate?.link(self, didReceive: hello)
      for list in channels.values { list.forEach { resume($0) } }
    case .goAway(let last, let code, let reason):
      goAway = (code, reason)
      delegate?.link(self, willGoAwayAfter: last, code, reason: reason)
    }
  }

  private func didEndReading(_ error: TransportError?) {
    if case .ending(let reason) = state {
      hasPeerEnded = true
      // It may still read what is queued here, until the lingering is over.
      if error != nil || !isBlocked || hasWriteFailed { end(reason) }
      return
    }
    if let (code, reason) = goAway {
      if code != .none && code != .shuttingDown { return end(.refused(code, reason)) }
      if session.openStreams == 0 { return end(.finished) }
    }
    if let error { return end(.lost("the connection broke: \(error.message)")) }
    guard session.isAtBoundary else {
      return end(
        .lost(
          "the connection was cut while a message was arriving: the process at the other end, or what carries the connection, has ended"
        ))
    }
    guard session.openStreams == 0 else {
      return end(
        .lost(
          "the other side closed the connection while \(session.openStreams) requests were unanswered: it has ended, or has given this side up (its log tells)"
        ))
    }
    // The peer has ended its side, and may still read what is on its way.
    hasPeerEnded = true
    beginEnding(.finished)
    if !isBlocked { end(.finished) }
  }

  private func giveBackOpenRoom() {
    configuration.openRoom?.giveBack(openRoomTaken)
    openRoomTaken = 0
  }

  // MARK: The opening

  /// What has arrived of a HELLO in time has this long to be read, if this process stood still.
  private static let lastChance: UInt64 = 1_000_000_000

  private func beginOpening() {
    opening = .arrives(timer: limitOpening(configuration.openingLimit))
  }

  private func limitOpening(_ limit: UInt64) -> any LoopTimer {
    loop.schedule(after: limit) { [unowned self] in
      if hasUnreadBytes, limit != Self.lastChance {
        opening = .arrives(timer: limitOpening(Self.lastChance))
      } else if bytesReceived == 0 {
        giveUp(
          "no answer within \(configuration.openingLimit / 1_000_000) ms: what accepts connections there is stopped, overloaded or no Telpher server"
        )
      } else {
        let seconds = Double(configuration.openingLimit) / 1_000_000_000
        fail(WireError(.timeout, "the server's HELLO was not complete within \(seconds) s"))
      }
    }
  }

  private func endOpening() {
    if case .arrives(let timer) = opening { timer.cancel() }
    opening = .done
  }

  // MARK: Silence

  private func armKeepalive() {
    timer = loop.schedule(after: configuration.pingAfter) { [unowned self] in
      let silence = loop.now - lastReceived
      // Who was not asked did not fail to answer: it may be this process that stood still. And what
      // has arrived and was not read yet may be the answer.
      let wasAsked = hasAsked || session.peerHello == nil
      if wasAsked, !isReadingPaused, !hasUnreadBytes, let why = whyLost(after: silence) {
        return giveUp(why)
      }
      if silence >= configuration.pingAfter && session.peerHello != nil {
        session.ping(0)
        hasAsked = true
        scheduleFlush()
      }
      armKeepalive()
    }
  }

  /// Why a peer that was silent for so long counts as lost; nil if it does not.
  private func whyLost(after silence: UInt64) -> String? {
    let heard = "nothing was heard for \(Double(silence / 100_000_000) / 10) s"
    if silence >= configuration.lostAfter,
      !stream.isAcknowledged(within: configuration.lostAfter)
    {
      return
        "\(heard), and nothing that was sent arrives: the other machine or the way to it is gone"
    }
    guard let limit = configuration.stoppedAfter, silence >= limit else { return nil }
    return
      "\(heard), though the connection stands: the process at the other end is stopped or overloaded"
  }

  /// Ends the connection of a silent peer. It may be able to read the reason some day.
  private func giveUp(_ why: String) {
    session.goAway(.timeout, reason: why)
    if !isBlocked { writeOutput() }
    end(.lost(why))
  }
}
