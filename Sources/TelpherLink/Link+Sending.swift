internal import TelpherTransport
package import TelpherWire

extension Link {
  /// Sends this side's preface and HELLO. A server calls this once it has accepted the client's
  /// HELLO.
  package func announce() {
    guard isOpen else { return }
    session.announce()
    scheduleFlush()
  }

  /// Opens a stream and returns its number. Client only.
  ///
  /// - Throws: `WireError` if no stream can be opened now.
  package func open(_ request: [UInt8], noInput: Bool) throws(WireError) -> StreamID {
    guard isOpen else { throw WireError(.shuttingDown, "the connection has ended") }
    let stream = try session.open(request, noInput: noInput)
    scheduleFlush()
    return stream
  }

  /// Creates the sending side of a channel of an open stream. Call it at most once per channel.
  package func outbound(_ stream: StreamID, _ channel: Channel) -> OutboundChannel {
    let outbound = OutboundChannel(link: self, stream: stream, channel: channel)
    channels.add(outbound)
    return outbound
  }

  /// Raises the receive window of one channel of an open stream to `size` bytes, or to the
  /// connection's window divided by `part` if that is less. It never shrinks a window.
  ///
  /// - Returns: the window in bytes; 0 if the stream is not open.
  @discardableResult
  package func growWindow(
    of stream: StreamID, _ channel: Channel, to size: UInt64, part: UInt64
  ) -> UInt64 {
    session.growWindow(of: stream, channel, to: size, part: part)
    return window(of: stream, channel)
  }

  /// Raises the receive window as `growWindow` does, and grants it at once.
  ///
  /// - Returns: the window in bytes; 0 if the stream is not open.
  @discardableResult
  package func openWindow(
    of stream: StreamID, _ channel: Channel, to size: UInt64, part: UInt64
  ) -> UInt64 {
    guard isOpen else { return 0 }
    session.openWindow(of: stream, channel, to: size, part: part)
    scheduleFlush()
    return window(of: stream, channel)
  }

  /// Whether so few streams are open that one may get a larger window before its consumer has taken
  /// anything.
  package var hasFewStreams: Bool { session.openStreams <= Session.fewStreams }

  /// Grants a channel of an open stream at once what the windows of this connection have grown to
  /// lately. Call it for a stream that may carry much.
  ///
  /// - Parameter isProven: whether the consumer is sure to take the bytes at once. If not, the
  ///   channel gets a part at first.
  package func anticipate(_ stream: StreamID, _ channel: Channel, isProven: Bool = true) {
    guard isOpen else { return }
    session.anticipate(stream, channel, isProven: isProven, at: loop.now)
    scheduleFlush()
  }

  /// Takes back what a channel of an open stream has been granted early, because little will come.
  package func expectLittle(_ stream: StreamID, _ channel: Channel) {
    session.expectLittle(stream, channel)
  }

  /// Grants a channel whose consumer may take nothing more than the window of HELLO, if few streams
  /// are open: enough to begin with, and what was learned of the distance.
  package func openInput(_ stream: StreamID, _ channel: Channel) {
    if channel == .stdin { expectLittle(stream, .file) }
    guard hasFewStreams else { return }
    openWindow(of: stream, channel, to: Self.firstInputWindow, part: Self.inputPart)
    anticipate(stream, channel, isProven: false)
  }

  /// Enlarges the window of such a channel once its consumer has taken a whole one. A consumer that
  /// takes nothing costs no more than the first window.
  package func growInput(_ stream: StreamID, _ channel: Channel) {
    guard hasFewStreams else { return }
    growWindow(of: stream, channel, to: WireConstants.defaultWindow, part: Self.inputPart)
  }

  /// The window in bytes of input that nothing may read: enough for a short round trip.
  private static var firstInputWindow: UInt64 { 256 << 10 }
  /// The largest part of the connection's window (1/4) that one such channel may have.
  private static var inputPart: UInt64 { 4 }

  /// The receive window in bytes of a channel of an open stream; 0 if the stream is not open.
  package func window(of stream: StreamID, _ channel: Channel) -> UInt64 {
    session.window(of: stream, channel)
  }

  /// The credit in bytes for sending on a channel, regardless of the connection's; 0 if the stream is
  /// not open.
  package func channelCredit(_ stream: StreamID, _ channel: Channel) -> UInt64 {
    session.channelCredit(stream, channel)
  }

  /// The credit in bytes for sending on the whole connection.
  package var connectionCredit: UInt64 { session.connectionCredit }

  /// Reports that the consumer has taken `count` bytes, so that the peer gets new credit.
  package func consume(_ stream: StreamID, _ channel: Channel, _ count: Int) {
    guard isOpen, count > 0 else { return }
    session.consume(stream, channel, count, at: loop.now)
    scheduleFlush()
  }

  /// Returns the credit for all bytes of a closed stream that the consumer will never take.
  package func abandon(_ stream: StreamID) {
    guard isOpen else { return }
    session.abandon(stream)
    scheduleFlush()
  }

  /// Sends a CONTROL frame before any DATA that is still waiting.
  package func control(_ stream: StreamID, _ message: ControlMessage) {
    guard isOpen else { return }
    session.control(stream, message)
    scheduleFlush()
  }

  /// Sends a CONTROL with this JSON, which must not be longer than `WireConstants.maxControlLength`.
  package func control(_ stream: StreamID, encoded message: [UInt8]) {
    guard isOpen else { return }
    session.control(stream, encoded: message)
    scheduleFlush()
  }

  /// Ends a stream with a result that is this JSON, at most `WireConstants.maxCloseLength` bytes.
  /// Server only.
  package func close(_ stream: StreamID, encoded result: [UInt8]) {
    guard isOpen else { return }
    channels.remove(stream)
    session.close(stream, encoded: result)
    scheduleFlush()
  }

  /// Ends a stream with its result. Server only.
  package func close(_ stream: StreamID, _ result: CloseResult) {
    guard isOpen else { return }
    channels.remove(stream)
    session.close(stream, result)
    scheduleFlush()
  }

  /// Ends a stream abruptly.
  package func reset(_ stream: StreamID, _ code: ErrorCode, reason: String) {
    guard isOpen else { return }
    channels.remove(stream)
    session.reset(stream, code, reason: reason)
    scheduleFlush()
  }

  /// Sends a PING. The answer arrives as `link(_:didReceivePong:)` with the same number, which must
  /// not be 0.
  package func ping(_ number: UInt64) {
    guard isOpen else { return }
    session.ping(number)
    scheduleFlush()
  }

  /// Answers a PING that `passPings` has passed on.
  package func pong(_ number: UInt64) {
    guard isOpen else { return }
    session.pong(number)
    scheduleFlush()
  }

  /// Sends a keep-alive PING. Its answer counts as received input; the delegate is not called.
  package func sendKeepalive() { ping(0) }

  /// Sends a GOAWAY: this side accepts no new streams; open ones continue.
  package func goAway(_ code: ErrorCode, reason: String) {
    guard isOpen, !session.isGoingAway else { return }
    session.goAway(code, reason: reason)
    scheduleFlush()
  }

  /// Asks the client to leave when it can: all streams are still accepted.
  package func askToLeave(reason: String) {
    guard isOpen, !session.isGoingAway else { return }
    session.askToLeave(reason: reason)
    scheduleFlush()
  }

  /// Writes the frames that this turn's callbacks have gathered, in one write.
  package func turnDidEnd() {
    guard state.turnDidEnd() else { return }
    writeAndTakeTurns()
  }

  /// Writes the gathered frames, lets the queued channels take turns, and writes what that has
  /// gathered.
  private func writeAndTakeTurns() {
    writeOutput()
    takeTurns()
    if state.mayWrite { writeOutput() }
  }

  func scheduleFlush() {
    switch state.didGather(session.output.count, limit: configuration.maxQueuedAnswers) {
    case .wait: break
    case .awaitEndOfTurn: loop.atEndOfTurn(self)
    case .pauseReading: stream.pauseReading()
    case .drop: session.output.removeAll()
    }
  }

  /// Writes the gathered frames, followed by `chunk`.
  func writeOutput(with chunk: Chunk? = nil) {
    if !passOutput(with: chunk) { state.didBlock() }
  }

  /// Passes the gathered frames, followed by `chunk`, to the stream.
  ///
  /// - Returns: false if the stream has queued some of them.
  private func passOutput(with chunk: Chunk? = nil) -> Bool {
    guard !session.output.isEmpty else { return true }
    let isWritten = session.output.withUnsafeBytes { stream.write($0, chunk) }
    session.output.removeAll(
      keepingCapacity: session.isGreeted && session.output.capacity <= Self.keptOutput)
    return isWritten
  }

  /// The most capacity, in bytes, that the output buffer keeps between turns, so that an idle
  /// connection holds little memory. A proof and a HELLO are longer than what follows on most
  /// connections: the buffer of the opening is not kept.
  static var keptOutput: Int { 4_096 }

  func didBecomeWritable() {
    switch state.didBecomeWritable() {
    case .wait: break
    case .write: continueWriting()
    case .resumeReadingAndWrite:
      silence.didPause(until: loop.now)
      if restTimer == nil { stream.resumeReading() }
      continueWriting()
    case .endSide: endSide()
    case .end(let reason): end(reason)
    }
  }

  private func continueWriting() {
    writeAndTakeTurns()
    scheduleFlush()
  }

  /// Writes the last frames of an ending connection and ends this side.
  func endSide() {
    let isWritten = passOutput()
    stream.finishWriting()
    if isWritten { didBecomeWritable() }
  }

  // MARK: Taking turns

  /// Sends what a channel holds, or queues the channel until it has its turn and credit.
  func submit(_ outbound: OutboundChannel) {
    guard isOpen, !outbound.isQueued, outbound.hasWork else { return }
    if state.mayWrite && channels.isEmpty { sendTurn(of: outbound) }
    enqueueIfNeeded(outbound)
    scheduleFlush()
  }

  /// Sends a small chunk at once, the usual case: there is credit for it, and no channel waits for
  /// a turn.
  ///
  /// - Returns: the number of bytes that may be sent after it; nil if nothing was sent.
  func sendSmall(_ chunk: Chunk, on outbound: OutboundChannel) -> Int? {
    guard chunk.count <= configuration.gatherUpTo, state.mayWrite, channels.isEmpty,
      !outbound.isQueued,
      let credit = chunk.withUnsafeBytes({
        session.wholeData(outbound.stream, outbound.channel, $0)
      })
    else { return nil }
    scheduleFlush()
    return credit
  }

  /// Queues a channel if it can use a turn, either to send or to wake its producer. `resume(_:)`
  /// queues a channel without credit once credit arrives.
  func enqueueIfNeeded(_ outbound: OutboundChannel) {
    guard isOpen else { return }
    let isUseful = outbound.hasWork ? canSend(outbound) : outbound.isAwaited && !state.mayWrite
    if isUseful { channels.enqueue(outbound) }
  }

  private func canSend(_ outbound: OutboundChannel) -> Bool {
    guard outbound.hasWork else { return false }
    return outbound.pending == nil || session.sendable(outbound.stream, outbound.channel) > 0
  }

  /// Lets each queued channel send up to a quantum per turn, until the stream accepts no more.
  private func takeTurns() {
    while state.mayWrite, let outbound = channels.next() {
      sendTurn(of: outbound)
      enqueueIfNeeded(outbound)
      outbound.wake()
    }
  }

  /// Sends at most a quantum of a channel, or everything it may send if no other channel is queued.
  private func sendTurn(of outbound: OutboundChannel) {
    var room = channels.isEmpty ? Int.max : configuration.quantum
    while outbound.hasWork, state.mayWrite, room > 0 {
      let waiting = outbound.pending?.count ?? 0
      let count = min(waiting, room, session.sendable(outbound.stream, outbound.channel))
      guard count > 0 || waiting == 0 else { return }
      let (chunk, fin) = outbound.take(count)
      session.data(outbound.stream, outbound.channel, count: count, fin: fin)
      room -= count
      guard let chunk else { continue }
      if count <= configuration.gatherUpTo {
        chunk.withUnsafeBytes { session.output.append(contentsOf: $0) }
      } else {
        writeOutput(with: chunk)
      }
    }
  }

  /// Continues a channel that may have new credit.
  func resume(_ outbound: OutboundChannel) {
    submit(outbound)
    outbound.wake()
    // If the connection is blocked, the channel uses the credit later.
    enqueueIfNeeded(outbound)
  }

  func didReceiveCredit(_ stream: StreamID, _ channel: Channel?) {
    if let channel {
      if let outbound = channels.find(stream, channel) { resume(outbound) }
    } else {
      channels.didReceiveCredit()
    }
  }

  /// Distributes the connection's new credit among the waiting streams.
  func useNewCredit() {
    guard isOpen else { return }
    let waiting = channels.takeCredit()
    guard !waiting.isEmpty else { return }
    for outbound in waiting { enqueueIfNeeded(outbound) }
    takeTurns()
    for outbound in waiting { resume(outbound) }
    scheduleFlush()
  }
}
