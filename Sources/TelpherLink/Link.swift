internal import DequeModule
public import TelpherTransport
public import TelpherWire

/// One connection, seen from either end: runs a `Session` over a byte stream. It reads, passes
/// events to its delegate, gathers small frames, schedules streams fairly, waits for credit, and
/// detects a silent peer. Use it only on its loop's thread.
///
/// The small frames of one turn of the loop are written together at the end of the turn. DATA with
/// a large payload is written at once, in one system call with the frames gathered before it.
public final class Link: TurnEndTask {
  /// The state of the connection.
  enum State {
    /// Frames go both ways. Next: `ending` or `ended`.
    case open
    /// Sends what is queued, drops input, and waits for the peer to close. Next: `ended`.
    case ending(LinkEnd)
    /// Closed; the delegate has been called. Final.
    case ended
  }

  /// The state of the wait for the server's HELLO, which has a time limit on a client. A server
  /// applies its own limit to new clients, from its own configuration.
  private enum Opening {
    /// The time limit has not started. Next: `awaited`.
    case silent
    /// The HELLO must arrive before `timer` fires. Next: `done`.
    case awaited(timer: any LoopTimer)
    /// The HELLO has arrived, or this side has no limit. Final.
    case done
  }

  /// The loop that runs this connection.
  public let loop: any EventLoop
  /// The peer's identity, as the system reports it.
  public var peer: PeerIdentity { stream.peer }
  /// The number of bytes received.
  public private(set) var bytesReceived: UInt64 = 0

  var session: Session
  let stream: any ByteStream
  let configuration: LinkConfiguration
  weak var delegate: (any LinkDelegate)?
  var state = State.open
  /// The stream's write queue is not empty: nothing is written until `onWritable`.
  var isBlocked = false
  /// `turnDidEnd()` is due at the end of this turn.
  var isFlushScheduled = false
  /// The writing side of the stream has been ended.
  var hasFinishedWriting = false
  /// Reading is paused because the peer does not read this side's answers.
  var isReadingPaused = false
  /// Runs while the rest of a read waits for the next turn. Reading is paused until it is handled.
  var restTimer: (any LoopTimer)?
  /// Writing has failed for good: later frames are dropped.
  var hasWriteFailed = false
  /// The peer has ended its side while this side is `ending`; only queued bytes remain to be
  /// written.
  var hasPeerEnded = false
  /// The current read has raised the connection's send window.
  var hasNewCredit = false
  /// The stream that got the connection's new credit first last time.
  var lastResumed: StreamID = 0
  /// Channels that wait for a turn, in order.
  var queue: Deque<OutboundChannel> = []
  /// The sending channels of all open streams.
  var channels: [StreamID: [OutboundChannel]] = [:]
  private var probe: WindowProbe
  /// The keep-alive timer while `open`; the linger timer afterwards.
  private var timer: (any LoopTimer)?
  private var opening: Opening
  /// The time of the last input, in nanoseconds of the loop's clock.
  var lastReceived: UInt64
  /// The peer's GOAWAY.
  private var goAway: (ErrorCode, String)?
  /// A keep-alive PING was sent after the last input.
  private var hasSentKeepalive = false
  /// Bytes of `LinkConfiguration.openRoom` reserved for the long OPEN that is arriving.
  private var openRoomTaken = 0

  /// Whether a connection that this side ends because of a fault stays open until the peer closes
  /// it, so that the peer can read the reason. A server sets this to false for unknown peers: each
  /// would hold a descriptor for that time.
  public var lingersAfterFault = true

  /// A link over a new connection. Nothing happens before `start(delegate:)`.
  ///
  /// - Parameters:
  ///   - helloPayload: `hello.encoded()`, if the caller has it.
  ///   - prover: proves each side to the other before anything else is sent; nil if no proof is
  ///     required.
  public init(
    role: Session.Role, stream: any ByteStream, loop: any EventLoop, hello: Hello,
    helloPayload: [UInt8]? = nil, prover: (any ConnectionProver)? = nil,
    configuration: LinkConfiguration = LinkConfiguration()
  ) {
    self.loop = loop
    self.stream = stream
    self.configuration = configuration
    session = Session(
      role: role, hello: hello, payload: helloPayload, announces: role == .client, prover: prover)
    opening = role == .client ? .silent : .done
    lastReceived = loop.now
    probe = WindowProbe(
      window: hello.window ?? WireConstants.defaultWindow, maxWindow: configuration.maxWindow)
  }

  /// Starts reading and, on a client, sends HELLO. The delegate is not retained.
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

  /// Whether the connection is open in both directions.
  public var isOpen: Bool {
    if case .open = state { true } else { false }
  }

  /// Whether bytes have arrived from the peer that this side has not read yet.
  public var hasUnreadBytes: Bool { restTimer != nil || stream.unreadBytes > 0 }

  /// The peer's HELLO; nil before it has arrived.
  public var peerHello: Hello? { session.peerHello }
  /// The number of open streams.
  public var openStreams: Int { session.openStreams }

  /// Ends the connection in order: sends what is queued, then waits up to `lingerFor` for the peer
  /// to close. All streams end.
  public func finish() { beginEnding(.closed) }

  /// Ends the connection with a GOAWAY that carries the error. See `lingersAfterFault`.
  public func fail(_ error: WireError) {
    guard isOpen else { return }
    session.goAway(error.code, reason: error.message)
    guard lingersAfterFault else {
      if !isBlocked { writeOutput() }
      return end(.peerFault(error))
    }
    beginEnding(.peerFault(error))
  }

  /// Closes the connection at once and drops what is queued.
  public func abort() { end(.closed) }

  /// Ends the connection as lost, with a reason for the user.
  public func lose(_ reason: String) { end(.lost(reason)) }

  /// The time of the last input from the peer, on the loop's clock, in nanoseconds. It is now if
  /// bytes have arrived that were not read yet, and while this side has paused reading.
  public var lastHeard: UInt64 { hasUnreadBytes || isReadingPaused ? loop.now : lastReceived }

  /// Whether this side's HELLO has been sent.
  var hasAnnounced = false

  /// Handles a write failure. The peer may have sent the reason before it closed, so reading goes
  /// on until its end, for `lingerFor` at most.
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
    if isReadingPaused || restTimer != nil { stream.resumeReading() }
    dropRest()
    timer?.cancel()
    timer = loop.schedule(after: configuration.lingerFor) { [unowned self] in self.end(end) }
  }

  func end(_ reason: LinkEnd) {
    if case .ended = state { return }
    state = .ended
    endOpening()
    timer?.cancel()
    timer = nil
    dropRest()
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
    hasSentKeepalive = false
    guard isOpen else { return }
    if case .silent = opening {
      opening = .awaited(timer: limitOpening(configuration.openingLimit))
    }
    handleEvents(in: chunk, from: 0)
  }

  func handle(_ event: SessionEvent, _ chunk: Chunk) {
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
        CloseResult(
          .refused, message: "too many streams at once on this connection: wait until one has ended"
        ))
    case .openWithoutRoom(let stream):
      close(
        stream,
        CloseResult(
          .refused,
          message: "the server has no room for such a long request at the moment: try again later"))
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
      // The peer may still read the queued bytes, until the linger time is over.
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
          "the connection ended in the middle of a message: the process at the other end has ended or the network connection has failed"
        ))
    }
    guard session.openStreams == 0 else {
      return end(
        .lost(
          "the other side closed the connection while \(session.openStreams) requests were unanswered: it has ended or has dropped this connection (see its log)"
        ))
    }
    // The peer has ended its side and may still read what is queued.
    hasPeerEnded = true
    beginEnding(.finished)
    if !isBlocked { end(.finished) }
  }

  private func giveBackOpenRoom() {
    configuration.openRoom?.giveBack(openRoomTaken)
    openRoomTaken = 0
  }

  // MARK: The opening

  /// The extra time, in nanoseconds, to read a HELLO that arrived in time while this process was
  /// suspended.
  private static let lastChance: UInt64 = 1_000_000_000

  private func beginOpening() {
    opening = .awaited(timer: limitOpening(configuration.openingLimit))
  }

  private func limitOpening(_ limit: UInt64) -> any LoopTimer {
    loop.schedule(after: limit) { [unowned self] in
      if hasUnreadBytes, limit != Self.lastChance {
        opening = .awaited(timer: limitOpening(Self.lastChance))
      } else if bytesReceived == 0 {
        giveUp(
          "no answer within \(configuration.openingLimit / 1_000_000) ms: the program that accepts connections there is stopped, overloaded or not a Telpher server"
        )
      } else {
        let seconds = Double(configuration.openingLimit) / 1_000_000_000
        fail(WireError(.timeout, "the server's HELLO was not complete within \(seconds) s"))
      }
    }
  }

  private func endOpening() {
    if case .awaited(let timer) = opening { timer.cancel() }
    opening = .done
  }

  // MARK: Silence

  private func armKeepalive() {
    timer = loop.schedule(after: configuration.pingAfter) { [unowned self] in
      let silence = loop.now - lastReceived
      // Give up only after an unanswered PING: this process may have been the one that was
      // suspended. Bytes that have arrived but were not read may be the answer.
      let isAnswerDue = hasSentKeepalive || session.peerHello == nil
      if isAnswerDue, !isReadingPaused, !hasUnreadBytes, let why = whyLost(after: silence) {
        return giveUp(why)
      }
      if silence >= configuration.pingAfter && session.peerHello != nil {
        session.ping(0)
        hasSentKeepalive = true
        scheduleFlush()
      }
      armKeepalive()
    }
  }

  /// The reason to give up a peer after `silence` nanoseconds without input; nil to keep waiting.
  private func whyLost(after silence: UInt64) -> String? {
    let heard = "nothing was heard for \(Double(silence / 100_000_000) / 10) s"
    if silence >= configuration.lostAfter,
      !stream.isAcknowledged(within: configuration.lostAfter)
    {
      return
        "\(heard), and the peer's system acknowledges nothing: the other machine or the network is down"
    }
    guard let limit = configuration.stoppedAfter, silence >= limit else { return nil }
    return
      "\(heard), though the connection is intact: the process at the other end is stopped or overloaded"
  }

  /// Ends the connection to a silent peer. The GOAWAY carries the reason, in case the peer reads it
  /// later.
  private func giveUp(_ why: String) {
    session.goAway(.timeout, reason: why)
    if !isBlocked { writeOutput() }
    end(.lost(why))
  }
}
