package import TelpherTransport
package import TelpherWire

/// One connection, seen from either end: runs a `Session` over a byte stream. It reads, passes
/// events to its delegate, gathers small frames, schedules streams fairly, waits for credit, and
/// detects a silent peer. Use it only on its loop's thread.
///
/// The small frames of one turn of the loop are written together at the end of the turn. DATA with
/// a large payload is written at once, in one system call with the frames gathered before it.
package final class Link: TurnEndTask {
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
  package let loop: any EventLoop
  /// The peer's identity, as the system reports it.
  package var peer: PeerIdentity { stream.peer }
  /// The number of bytes received.
  package private(set) var bytesReceived: UInt64 = 0

  // Every frame uses the next three several times. They are used on the loop's thread only, and
  // neither the loop nor the stream calls back from within a call. Debug builds check that.
  #if !DEBUG
    @exclusivity(unchecked)
  #endif
  var session: Session
  /// Which directions are open, and whether frames may be written.
  #if !DEBUG
    @exclusivity(unchecked)
  #endif
  var state = LinkState()
  /// The sending channels and their turns.
  #if !DEBUG
    @exclusivity(unchecked)
  #endif
  var channels = ChannelQueue()
  let stream: any ByteStream
  let configuration: LinkConfiguration
  /// Set it by `setDelegate`.
  private(set) weak var delegate: (any LinkDelegate)?
  /// Changes whenever `delegate` is set.
  private(set) var delegateVersion = 0
  /// When the peer was heard, and whether it was asked to answer.
  var silence: PeerSilence
  /// Runs while the rest of a read waits for the next turn. Reading is paused until it is handled.
  var restTimer: (any LoopTimer)?
  /// The keep-alive timer while `open`; the linger timer afterwards.
  private var timer: (any LoopTimer)?
  private var opening: Opening
  /// The peer's GOAWAY.
  private var goAway: (ErrorCode, String)?
  /// Answers the peer's PINGs; nil if the session does.
  private var passPing: ((UInt64) -> Void)?
  /// Bytes of `LinkConfiguration.openRoom` reserved for the long OPEN that is arriving.
  private var openRoomTaken = 0

  /// Whether a connection that this side ends because of a fault stays open until the peer closes
  /// it, so that the peer can read the reason. A server sets this to false for unknown peers: each
  /// would hold a descriptor for that time.
  package var lingersAfterFault = true

  /// A link over a new connection. Nothing happens before `start(delegate:)`.
  ///
  /// - Parameters:
  ///   - helloPayload: `hello.encoded()`, if the caller has it.
  ///   - prover: proves each side to the other before anything else is sent; nil if no proof is
  ///     required.
  ///   - verifier: on a server, decides about clients that prove who they are by signatures.
  package init(
    role: Session.Role, stream: any ByteStream, loop: any EventLoop, hello: Hello,
    helloPayload: [UInt8]? = nil, prover: (any ConnectionProver)? = nil,
    verifier: (any SignatureVerifier)? = nil,
    configuration: LinkConfiguration = LinkConfiguration()
  ) {
    self.loop = loop
    self.stream = stream
    self.configuration = configuration
    session = Session(
      role: role, hello: hello, payload: helloPayload, announces: role == .client, prover: prover,
      verifier: verifier, growth: configuration.windowGrowth, unread: configuration.unreadGrowth,
      budget: configuration.windowBudget)
    opening = role == .client ? .silent : .done
    silence = PeerSilence(at: loop.now)
  }

  /// The channels have no counted reference to this link: see `OutboundChannel`.
  deinit { channels.removeAll() }

  private func setDelegate(_ new: (any LinkDelegate)?) {
    delegate = new
    delegateVersion += 1
  }

  /// Starts reading and, on a client, sends HELLO. The delegate is not retained.
  package func start(delegate: any LinkDelegate) {
    setDelegate(delegate)
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
    if session.role == .client {
      session.time = loop.now
      session.didStart()
    }
    stream.resumeReading()
    armKeepalive()
    scheduleFlush()
  }

  /// Makes `pass` answer the peer's PINGs, by `pong(_:)` at any later time. Call it before `start`.
  package func passPings(to pass: @escaping (UInt64) -> Void) {
    session.passesPings = true
    passPing = pass
  }

  /// Makes `delegate` receive the events from now on. It is not retained.
  package func handOver(to delegate: any LinkDelegate) { setDelegate(delegate) }

  /// Whether the connection is open in both directions.
  package var isOpen: Bool { state.isOpen }

  /// Whether bytes have arrived from the peer that this side has not read yet.
  package var hasUnreadBytes: Bool { restTimer != nil || stream.unreadBytes > 0 }

  /// The peer's HELLO; nil before it has arrived.
  package var peerHello: Hello? { session.peerHello }
  /// The bytes of frames, other than the payload of DATA, that wait to be written.
  package var gatheredBytes: Int { session.output.count }
  /// The number of open streams.
  package var openStreams: Int { session.openStreams }

  /// Ends the connection in order: sends what is queued, then waits up to `lingerFor` for the peer
  /// to close. All streams end.
  package func finish() { beginEnding(.closed) }

  /// Ends the connection with a GOAWAY that carries the error. See `lingersAfterFault`.
  package func fail(_ error: WireError) {
    guard isOpen else { return }
    session.goAway(error.code, reason: error.message)
    guard lingersAfterFault else {
      if state.mayWrite { writeOutput() }
      return end(.peerFault(error))
    }
    beginEnding(.peerFault(error))
  }

  /// Closes the connection at once and drops what is queued.
  package func abort() { end(.closed) }

  /// Ends the connection as lost, with a reason for the user.
  package func lose(_ reason: String) { end(.lost(reason)) }

  /// The time of the last input from the peer, on the loop's clock, in nanoseconds. It is now if
  /// bytes have arrived that were not read yet, and while this side has paused reading.
  package var lastHeard: UInt64 {
    hasUnreadBytes || state.isThrottled ? loop.now : silence.lastReceived
  }

  /// Handles a write failure. The peer may have sent the reason before it closed, so reading goes
  /// on until its end, for `lingerFor` at most.
  private func writingDidFail(_ error: TransportError) {
    let lost = LinkEnd.lost("the connection broke: \(error.message)")
    switch state.writingDidFail(lost) {
    case .wait: break
    case .awaitPeersEnd: linger(lost)
    case .end(let reason): end(reason)
    }
  }

  /// Ends the connection in order: the last frames are sent and this side is ended.
  func beginEnding(_ reason: LinkEnd) {
    let action = state.beginEnding(reason)
    guard action != .none else { return }
    channels.removeAll()
    linger(reason)
    switch action {
    case .none, .wait: break
    case .endSide: endSide()
    case .resumeReading: stream.resumeReading()
    }
    if restTimer != nil { stream.resumeReading() }
    dropRest()
  }

  /// Ends the connection for `reason` after `lingerFor`, unless it ends before.
  private func linger(_ reason: LinkEnd) {
    timer?.cancel()
    timer = loop.schedule(after: configuration.lingerFor) { [unowned self] in end(reason) }
  }

  func end(_ reason: LinkEnd) {
    guard state.end() else { return }
    endOpening()
    timer?.cancel()
    timer = nil
    dropRest()
    channels.removeAll()
    giveBackOpenRoom()
    session.releaseWindows()
    stream.close()
    let delegate = delegate
    setDelegate(nil)
    delegate?.link(self, didEnd: reason)
  }

  // MARK: Reading

  private func receive(_ chunk: Chunk) {
    bytesReceived += UInt64(chunk.count)
    silence.didReceive(at: loop.now)
    guard isOpen else { return }
    if case .silent = opening {
      opening = .awaited(timer: limitOpening(configuration.openingLimit))
    }
    handleEvents(in: chunk, from: 0)
  }

  func handle(_ event: SessionEvent, _ chunk: Chunk, _ delegate: (any LinkDelegate)?) {
    switch event {
    case .data(let stream, let channel, let range):
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
      channels.remove(stream)
      delegate?.link(self, didClose: stream, result: result)
    case .reset(let stream, let code, let reason):
      channels.remove(stream)
      delegate?.link(self, didReset: stream, code, reason: reason)
    case .ping(let number):
      passPing?(number)
    case .pong(let number):
      delegate?.link(self, didReceivePong: number)
    case .hello(let hello):
      endOpening()
      delegate?.link(self, didReceive: hello)
      for outbound in channels.all { resume(outbound) }
    case .goAway(let last, let code, let reason):
      goAway = (code, reason)
      delegate?.link(self, willGoAwayAfter: last, code, reason: reason)
    }
  }

  private func didEndReading(_ error: TransportError?) {
    guard isOpen else {
      if let reason = state.peerDidEnd(inOrder: error == nil) { end(reason) }
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
      let count = session.openStreams
      let unanswered = count == 1 ? "a request was" : "\(count) requests were"
      return end(
        .lost(
          "the other side closed the connection while \(unanswered) unanswered: its process has ended or has dropped this connection (a server's log has the reason)"
        ))
    }
    // The peer has ended its side and may still read what is queued.
    beginEnding(.finished)
    if let reason = state.peerDidEnd(inOrder: true) { end(reason) }
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
      session.rest(at: loop.now)
      scheduleFlush()
      let action = silence.check(
        at: loop.now, configuration, isGreeted: session.peerHello != nil,
        mayBeHeard: !state.isThrottled && !hasUnreadBytes,
        isAcknowledged: { stream.isAcknowledged(within: configuration.lostAfter) })
      switch action {
      case .wait: break
      case .giveUp(let why): return giveUp(why)
      case .ping: sendKeepalive()
      }
      armKeepalive()
    }
  }

  /// Ends the connection to a silent peer. The GOAWAY carries the reason, in case the peer reads it
  /// later.
  private func giveUp(_ why: String) {
    session.goAway(.timeout, reason: why)
    if state.mayWrite { writeOutput() }
    end(.lost(why))
  }
}
